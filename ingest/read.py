"""Reading one resource by its id: there, gone, or not told. Only the server's own word counts."""

from dataclasses import dataclass

from ingest.client import CHECK_SIGN_IN, FhirClient
from ingest.decode import JsonObject
from ingest.outcome import issues_of
from ingest.reply import Reply
from mappings.errors import ForbiddenError, ServerError, SignInError
from warehouse.departures import Reason

_GONE = frozenset({404, 410})
_DOWN = frozenset({429, 502, 503, 504})  # a 500 may be about this one resource
_NOT_OFFERED = frozenset({401, 403, 404, 405, 501})


@dataclass(frozen=True, slots=True)
class Word:
    """What a center says of a resource that was not found: there as `resource`, or gone for a `reason`.

    With neither it has said nothing, and the resource stays.
    """

    resource: JsonObject | None = None
    reason: Reason | None = None


def word_on(client: FhirClient, resource_type: str, resource_id: str, *, is_offered: bool = True) -> Word:
    """The server's word on a resource.

    Unless reads are known to be offered (`is_offered`), a server that refuses to be asked has said nothing:
    one that is read by export need not answer reads. Raises UnreachableError when the server is down to the
    last try, SignInError or ServerError for any other answer that is no word: a deletion needs evidence.
    """
    reply = _asked(client, resource_type, resource_id)
    if not is_offered and reply.status in _NOT_OFFERED and not _is_gone(reply):
        return Word()
    if reply.status in _DOWN:
        client.successful(reply, resource_type)  # raises, and nothing more is asked of this server
    resource = _resource_in(client, resource_type, resource_id, reply)
    return Word(resource, None if resource is not None else "deleted")


def _asked(client: FhirClient, resource_type: str, resource_id: str) -> Reply:
    if not resource_id.strip("."):
        raise _undecided(client, resource_type, "cannot be asked")  # '..' in a URL is another address
    return client.read(resource_type, resource_id)


def _resource_in(client: FhirClient, resource_type: str, resource_id: str, reply: Reply) -> JsonObject | None:
    resource = reply.resource or {}
    is_it = (resource.get("resourceType"), resource.get("id")) == (resource_type, resource_id)
    if reply.is_success and is_it:
        return resource
    if _is_gone(reply):
        return None
    raise _refusal(client, resource_type, reply)


def _is_gone(reply: Reply) -> bool:
    # A gateway's 404 is not the server's: that one says why, in an OperationOutcome.
    return reply.status in _GONE and bool(issues_of(reply.resource or {}))


def _refusal(client: FhirClient, resource_type: str, reply: Reply) -> ServerError | SignInError:
    error = _undecided(client, resource_type, f"answered {reply.status} when it was asked")
    if reply.status == 401:
        return SignInError(error.message, CHECK_SIGN_IN)
    if reply.status == 403:
        return ForbiddenError(error.message, "let the credentials read by id as well as search.")
    return error


def _undecided(client: FhirClient, resource_type: str, what: str) -> ServerError:
    return client.failure(
        f"{what} for one {resource_type} by its id; what is stored of it stays as it is.",
        "let the server answer reads by id; it is asked again the next time.",
    )
