"""FHIR resources to columns: ViewDefinitions, their compiler, and terminology."""
