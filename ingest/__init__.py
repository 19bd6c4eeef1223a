"""From a FHIR server to landed resources: client, search, gate, plan, sync."""
