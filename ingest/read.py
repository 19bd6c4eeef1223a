"""Reading one resource by its id: there, gone, or not told. Only the server's own word counts."""

from ingest.client import FhirClient
from ingest.decode import JsonObject
from ingest.outcome import issues_of
from ingest.reply import Reply
from mappings.errors import ForbiddenError, ServerError, SignInError

_GONE = frozenset({404, 410})


def read_by_id(client: FhirClient, resource_type: str, resource_id: str) -> JsonObject | None:
    """The resource as it is now; None when the server says that it is gone.

    Raises SignInError or ServerError for any other answer: a deletion needs positive evidence.
    """
    if not resource_id.strip("."):
        raise _undecided(client, resource_type, "cannot be asked")  # '..' in a URL is another address
    reply = client.read(resource_type, resource_id)
    resource = reply.resource or {}
    is_it = (resource.get("resourceType"), resource.get("id")) == (resource_type, resource_id)
    if reply.is_success and is_it:
        return resource
    # A gateway's 404 is not the server's: that one says why, in an OperationOutcome.
    if reply.status in _GONE and issues_of(resource):
        return None
    raise _refusal(client, resource_type, reply)


def _refusal(client: FhirClient, resource_type: str, reply: Reply) -> ServerError | SignInError:
    error = _undecided(client, resource_type, f"answered {reply.status} when it was asked")
    if reply.status == 401:
        return SignInError(error.message, "check the credentials and what they may read.")
    if reply.status == 403:
        return ForbiddenError(error.message, "let the credentials read by id as well as search.")
    return error


def _undecided(client: FhirClient, resource_type: str, what: str) -> ServerError:
    return client.failure(
        f"{what} for one {resource_type} by its id that no search finds; no deletion was noted.",
        "let the server answer reads by id; the next sync asks again.",
    )
