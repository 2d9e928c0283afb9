"""The refusal catalogue: every answer that says no, with its Personium code, text and log level.

What belongs here: one :class:`Kind` per error code, and the one exception, :class:`Refusal`, that carries a kind
upward. What does not: HTTP. The status of a kind is the three digits in its code, and only ``http`` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INFO: Final = "info"
WARN: Final = "warn"
ERROR: Final = "error"


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the catalogue: a code such as ``PR404-DV-0001``, its text with ``{named}`` parameters, a log level."""

    code: str
    text: str
    level: str = INFO

    @property
    def status(self) -> int:
        """The HTTP status that the code names: the digits after ``PR``."""
        return int(self.code[2:5])


class Refusal(Exception):  # noqa: N818 - the house's word for an answer that says no
    """An answer that says no: raised anywhere, rendered once at the edge.

    *params* fill the named places of the kind's text; ``challenge``, ``extra`` and ``xml`` are read by the renderer.
    """

    def __init__(self, kind: Kind, **params: object) -> None:
        """Refuse with *kind*; each named place of its text must be among *params*."""
        super().__init__(kind.code)
        self.kind = kind
        self.params = params

    @property
    def text(self) -> str:
        """The kind's text with its parameters filled in, what is long of them cut off."""
        return self.kind.text.format(**{name: _cut(value) for name, value in self.params.items()})

    def __str__(self) -> str:
        """Code and text, as a log line shows them."""
        return f"[{self.kind.code}] - {self.text}"


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_PARAMETER else f"{text[:_LONGEST_PARAMETER]}..."


_LONGEST_PARAMETER: Final = 1_000
"""In characters: what a client sends may be of any length."""


# OAuth2 token endpoint (rendered as an OAuth2 error body)
UNKNOWN_GRANT_TYPE: Final = Kind("PR400-AN-0001", "The grant_type [{value}] is not supported.")
BAD_TARGET: Final = Kind("PR400-AN-0002", "p_target is not an absolute URL.")
CLIENT_ASSERTION_UNREADABLE: Final = Kind("PR400-AN-0003", "The client assertion cannot be parsed.")
CLIENT_ASSERTION_EXPIRED: Final = Kind("PR400-AN-0004", "The client assertion has expired.")
CLIENT_ASSERTION_ISSUER: Final = Kind("PR400-AN-0006", "The client assertion was issued by another than the client.")
CLIENT_ASSERTION_TARGET: Final = Kind("PR400-AN-0007", "The client assertion is not meant for this cell.")
OWNER_GRANT_REFUSED: Final = Kind("PR400-AN-0008", "This grant cannot represent the cell owner.")
TOKEN_UNREADABLE: Final = Kind("PR400-AN-0009", "The token cannot be parsed.")
TOKEN_EXPIRED: Final = Kind("PR400-AN-0010", "The token has expired.")
TOKEN_SIGNATURE: Final = Kind("PR400-AN-0011", "The signature of the token is not valid.")
TOKEN_TARGET: Final = Kind("PR400-AN-0012", "The token is meant for another cell.")
NOT_A_REFRESH_TOKEN: Final = Kind("PR400-AN-0013", "The token is not a refresh token.")
OWNER_NOT_REPRESENTED: Final = Kind("PR400-AN-0014", "The account may not represent the cell owner.")
CELL_WITHOUT_OWNER: Final = Kind("PR400-AN-0015", "The cell has no owner.")
PARAMETER_REQUIRED: Final = Kind("PR400-AN-0016", "The parameter [{name}] is missing or has no valid value.")
AUTHENTICATION_FAILED: Final = Kind("PR400-AN-0017", "Authentication failed.")
CLIENT_HEADER_MALFORMED: Final = Kind("PR400-AN-0018", "The Authorization header does not name a client.")
CODE_INVALID: Final = Kind("PR400-AN-0019", "The authorization code is not valid.")
CLIENT_MISMATCH: Final = Kind("PR401-AN-0020", "The token was issued to another client.")
PLUGIN_REFUSED: Final = Kind("PR400-PA-0001", "The login plug-in does not accept this: {cause}.")
PLUGIN_CLIENT_REFUSED: Final = Kind("PR401-PA-0001", "The login plug-in does not accept this client: {cause}.")
PLUGIN_BROKEN: Final = Kind("PR500-PA-0001", "The login plug-in has failed: {cause}.", ERROR)
PLUGIN_UNAVAILABLE: Final = Kind("PR503-PA-0001", "The login plug-in cannot find out who is asking: {cause}.", WARN)
CLIENT_AUTH_REQUIRED: Final = Kind("PR401-AN-0021", "Client authentication is required.")
CLIENT_ASSERTION_TYPE: Final = Kind("PR400-AN-0022", "The client_assertion_type must be [{expected}].")
PASSWORD_CHANGE_REQUIRED: Final = Kind("PR401-AN-0023", "The password must be changed.")
TOKEN_TYPE_UNSUPPORTED: Final = Kind("PR400-AN-0024", "A token of this kind cannot be revoked.")

# Authorization endpoint (told by redirects: to the app, or to the error page where the app is not known for sure)
RESPONSE_TYPE_UNSUPPORTED: Final = Kind("PR400-AZ-0001", "The response_type is not supported.")
CLIENT_ID_INVALID: Final = Kind("PR400-AZ-0002", "The client_id is missing or is not the URL of an app.")
REDIRECT_URI_INVALID: Final = Kind(
    "PR400-AZ-0003", "The redirect_uri is missing or does not lie under the client_id."
)
RESPONSE_TYPE_MISSING: Final = Kind("PR400-AZ-0004", "The response_type is missing.")
EXPIRES_IN_INVALID: Final = Kind("PR400-AZ-0008", "The expires_in is no number of seconds that a token may live.")
AUTHORIZATION_PARAMETER: Final = Kind("PR400-AZ-0009", "A parameter of the request is not valid: {cause}.")
LOGIN_CANCELLED: Final = Kind("PR401-AZ-0001", "The user cancelled.")
LOGIN_REQUIRED: Final = Kind("PR401-AZ-0003", "Nobody is logged in.")

# Access control
PASSWORD_FORMAT: Final = Kind("PR400-AU-0001", "The password does not have the required form.")
BAD_REQUEST_PARAMETER: Final = Kind("PR400-AU-0002", "The request parameter [{name}] is not valid.")
CREDENTIAL_MISSING: Final = Kind("PR400-AU-0003", "The header X-Personium-Credential is missing.")
AUTH_REQUIRED: Final = Kind("PR401-AU-0001", "Authentication is required.")
ACCESS_TOKEN_EXPIRED: Final = Kind("PR401-AU-0002", "The access token has expired.")
UNKNOWN_AUTH_SCHEME: Final = Kind("PR401-AU-0003", "The authentication scheme is not supported.")
BASIC_MALFORMED: Final = Kind("PR401-AU-0004", "The Basic credentials are malformed.")
ACCESS_TOKEN_UNREADABLE: Final = Kind("PR401-AU-0006", "The access token cannot be parsed.")
ACCESS_TOKEN_SIGNATURE: Final = Kind("PR401-AU-0008", "The signature of the access token is not valid.")
REFRESH_TOKEN_AS_ACCESS: Final = Kind("PR401-AU-0007", "A refresh token gives no access.")
COOKIE_AUTH_FAILED: Final = Kind("PR401-AU-0009", "Authentication by cookie failed.")
BASIC_AUTH_LOCKED: Final = Kind("PR401-AU-0010", "Basic authentication failed: the account is locked.")
BASIC_AUTH_FAILED: Final = Kind("PR401-AU-0011", "Basic authentication failed.")
PASSWORD_CHANGE_TOKEN: Final = Kind("PR401-AU-0012", "A password change token gives no access.")
UNIT_USER_NEEDED: Final = Kind("PR403-AU-0001", "Only a unit user may do this.")
LACKS_PRIVILEGE: Final = Kind("PR403-AU-0002", "The necessary privilege is lacking.")
NOT_OWNER_OF_CELL: Final = Kind("PR403-AU-0003", "The cell belongs to another unit user.")
SCHEMA_AUTH_NEEDED: Final = Kind("PR403-AU-0004", "App authentication is needed.")
SCHEMA_MISMATCH: Final = Kind("PR403-AU-0005", "The token was issued for another app.")
SCHEMA_LEVEL_TOO_LOW: Final = Kind("PR403-AU-0006", "The level of app authentication is too low.")
SCOPE_TOO_SMALL: Final = Kind("PR403-AU-0007", "The scope of the token does not cover [{privilege}].")

# OData and entity sets
BODY_NOT_JSON: Final = Kind("PR400-OD-0001", "The request body is not valid JSON.")
QUERY_UNREADABLE: Final = Kind("PR400-OD-0002", "The query cannot be parsed.")
FILTER_UNREADABLE: Final = Kind("PR400-OD-0003", "The $filter cannot be parsed{place}.")
ENTITY_KEY_UNREADABLE: Final = Kind("PR400-OD-0004", "The entity key cannot be parsed.")
FORMAT_UNKNOWN: Final = Kind("PR400-OD-0005", "The $format [{value}] is not supported.")
FIELD_FORMAT: Final = Kind("PR400-OD-0006", "The field [{field}] does not have the required form.")
FIELD_NOT_ALLOWED: Final = Kind("PR400-OD-0007", "The field [{field}] is not allowed here.")
NO_SUCH_ASSOCIATION: Final = Kind("PR400-OD-0008", "There is no such association.")
FIELD_REQUIRED: Final = Kind("PR400-OD-0009", "The field [{field}] is required.")
KEY_AFTER_NAVIGATION: Final = Kind("PR400-OD-0010", "A key must not follow the navigation property.")
KEY_NEEDED_AFTER_NAVIGATION: Final = Kind("PR400-OD-0011", "A key must follow the navigation property.")
INLINECOUNT_UNKNOWN: Final = Kind("PR400-OD-0013", "The $inlinecount [{value}] is not supported.")
ORDERBY_UNREADABLE: Final = Kind("PR400-OD-0015", "The $orderby cannot be parsed.")
KEY_IS_NULL: Final = Kind("PR400-OD-0016", "The key must not be null.")
SELECT_UNREADABLE: Final = Kind("PR400-OD-0017", "The $select cannot be parsed.")
BATCH_PART_HEADER: Final = Kind(
    "PR400-OD-0021", "The header [{name}] of a part of the batch is missing or not valid."
)
BATCH_NESTED: Final = Kind("PR400-OD-0022", "A changeset must not hold a changeset.")
BATCH_UNREADABLE: Final = Kind("PR400-OD-0023", "The batch cannot be parsed: {cause}.")
REFERENCED_ENTITY_MISSING: Final = Kind("PR400-OD-0024", "The entity that [{field}] refers to does not exist.")
EXPAND_UNKNOWN: Final = Kind("PR400-OD-0025", "There is no navigation property [{name}] to expand.")
EXPAND_UNREADABLE: Final = Kind("PR400-OD-0026", "The $expand cannot be parsed.")
LINK_KEY_UNREADABLE: Final = Kind("PR400-OD-0028", "The entity key in $links cannot be parsed.")
QUERY_VALUE: Final = Kind("PR400-OD-0029", "The query value [{name}]=[{value}] is out of range.")
BATCH_TOO_MANY: Final = Kind("PR400-OD-0030", "The batch holds more than {limit} requests.")
ENDS_NOT_LINKABLE: Final = Kind("PR400-OD-0031", "Two association ends of multiplicity 1 cannot be linked.")
TOO_MANY_PROPERTIES: Final = Kind("PR400-OD-0032", "The entity type holds as many properties as it may.")
TOO_MANY_ENTITY_TYPES: Final = Kind("PR400-OD-0033", "The collection holds as many entity types as it may.")
BATCH_PATH: Final = Kind("PR400-OD-0034", "The path [{path}] is not valid in a batch.")
BATCH_METHOD: Final = Kind("PR400-OD-0035", "The method [{method}] is not valid in a batch.")
QUERY_NOT_A_NUMBER: Final = Kind("PR400-OD-0036", "The query option [{name}] is not a number.")
BATCH_TOP: Final = Kind("PR400-OD-0037", "The $top of all requests of the batch add up to more than {limit}.")
TOO_MANY_LINKS: Final = Kind("PR400-OD-0038", "The number of links is at its limit.")
EXPAND_TOO_MANY: Final = Kind("PR400-OD-0039", "The $expand asks for more than {limit} {what}.")
ORDERBY_LIST: Final = Kind("PR400-OD-0040", "The list [{name}] cannot be sorted by.")
HEADER_NOT_ASCII: Final = Kind("PR400-OD-0041", "The header [{name}] is not ASCII.")
SCHEMA_CHANGE: Final = Kind("PR400-OD-0042", "The field [{field}] cannot be changed so.")
FILTER_OPERATOR: Final = Kind("PR400-OD-0043", "The operator or operation [{operator}] is not supported in $filter.")
FILTER_FUNCTION: Final = Kind("PR400-OD-0044", "The function [{function}] is not supported in $filter.")
FILTER_PROPERTY: Final = Kind("PR400-OD-0045", "The property [{name}] in $filter does not exist.")
FILTER_TYPE: Final = Kind("PR400-OD-0046", "The type of an operand of [{name}] in $filter does not fit.")
FILTER_VALUE: Final = Kind("PR400-OD-0047", "The value of [{name}] in $filter does not have the required form.")
FILTER_ESCAPE: Final = Kind("PR400-OD-0048", "The text [{value}] in $filter cannot be unescaped.")
EXT_CELL_URL_FORMAT: Final = Kind("PR400-OD-0049", "The field [{field}] is not the URL of a cell.")
SCHEMA_URI_FORMAT: Final = Kind("PR400-OD-0050", "The field [{field}] is not a schema URI.")
QUERY_TOO_LONG: Final = Kind("PR400-OD-0051", "The store rejects the query: it takes too long.")
QUERY_TOO_LARGE: Final = Kind("PR400-OD-0052", "The query finds more than {limit} bytes: ask for fewer entities.")
LINK_NOT_FOUND: Final = Kind("PR404-OD-0000", "Not found.")
NO_SUCH_ENTITY_SET: Final = Kind("PR404-OD-0001", "There is no such entity set.")
NO_SUCH_ENTITY: Final = Kind("PR404-OD-0002", "There is no such entity.")
NO_SUCH_NAVIGATION: Final = Kind("PR404-OD-0003", "There is no such navigation property.")
NOT_ACCEPTABLE_ODATA: Final = Kind("PR406-OD-0001", "The media type [{value}] cannot be served.")
HAS_RELATED: Final = Kind("PR409-OD-0001", "The entity has related data.")
LINK_EXISTS: Final = Kind("PR409-OD-0002", "The link exists already.")
ENTITY_EXISTS: Final = Kind("PR409-OD-0003", "The entity exists already.")
UNLINK_COLLIDES: Final = Kind("PR409-OD-0004", "Unlinked, [{entity}] would have the key of another entity.")
LINK_COLLIDES: Final = Kind("PR409-OD-0005", "Linked, [{entity}] would have the key of another entity.")
TYPES_RELATED: Final = Kind("PR409-OD-0006", "The two entity types are related already.")
ENTITY_ETAG_MISMATCH: Final = Kind("PR412-OD-0002", "The ETag does not match.")

# WebDAV
XML_UNREADABLE: Final = Kind("PR400-DV-0001", "The XML cannot be parsed.")
XML_CONTENT: Final = Kind("PR400-DV-0002", "The XML does not say what is expected here.")
BAD_DEPTH: Final = Kind("PR400-DV-0003", "The Depth [{value}] is not valid.")
ACL_ROLE_MISSING: Final = Kind("PR400-DV-0004", "The ACL names a role that does not exist.")
ACL_BOX_MISSING: Final = Kind("PR400-DV-0005", "The ACL names the box [{box}], which does not exist.")
ACL_INVALID: Final = Kind("PR400-DV-0006", "The ACL is not valid: {cause}.")
TOO_MANY_CHILDREN: Final = Kind("PR400-DV-0007", "The collection holds as many resources as it may.")
TOO_DEEP: Final = Kind("PR400-DV-0008", "Collections are nested as deeply as they may be.")
BAD_HEADER: Final = Kind("PR400-DV-0009", "The header [{name}] has no valid value: [{value}].")
HEADER_MISSING: Final = Kind("PR400-DV-0010", "The header [{name}] is missing.")
MOVE_OF_SOURCE: Final = Kind("PR400-DV-0011", "A service source collection cannot be moved or copied.")
MOVE_ONTO_COLLECTION: Final = Kind("PR400-DV-0012", "A collection cannot be overwritten.")
MOVE_INTO_ODATA: Final = Kind("PR400-DV-0013", "Nothing can be moved or copied into an OData collection.")
MOVE_INTO_FILE: Final = Kind("PR400-DV-0014", "Nothing can be moved or copied under a file.")
MOVE_OF_BOX: Final = Kind("PR400-DV-0015", "A box cannot be moved or copied.")
MOVE_INTO_SERVICE: Final = Kind("PR400-DV-0016", "Nothing can be moved or copied into a service collection.")
MOVE_ONTO_SOURCE: Final = Kind("PR400-DV-0017", "A service source collection cannot be overwritten.")
MOVE_COLLECTION_UNDER_SOURCE: Final = Kind("PR400-DV-0018", "A source collection holds files only.")
DIGEST_MISMATCH: Final = Kind("PR400-DV-0020", "The body does not have the digest that came with it.")
UPLOAD_LENGTH: Final = Kind("PR400-DV-0021", "The upload has not the length that was announced.")
DEPTH_INFINITY: Final = Kind("PR403-DV-0001", "Depth infinity is not supported here.")
HAS_CHILDREN: Final = Kind("PR403-DV-0003", "The collection is not empty.")
BAD_RESOURCE_NAME: Final = Kind("PR403-DV-0004", "The name [{name}] is not allowed.")
DESTINATION_IS_SOURCE: Final = Kind("PR403-DV-0005", "The destination [{url}] is the source.")
NO_SUCH_RESOURCE: Final = Kind("PR404-DV-0001", "The resource [{url}] does not exist.")
NO_SUCH_BOX: Final = Kind("PR404-DV-0002", "The box [{url}] does not exist.")
NO_SUCH_CELL: Final = Kind("PR404-DV-0003", "The cell does not exist.")
RESOURCE_EXISTS: Final = Kind("PR405-DV-0001", "The method is not allowed on this resource.")
PARENT_MISSING: Final = Kind("PR409-DV-0001", "The parent collection [{url}] does not exist.")
SNAPSHOT_EXISTS: Final = Kind("PR409-DV-0002", "The file [{name}] exists already.")
NO_SUCH_LOCK: Final = Kind("PR409-DV-0003", "The resource is not locked by the lock of this token.")
UPLOAD_OFFSET: Final = Kind("PR409-DV-0004", "The upload goes on at another offset: {offset}.")
UPLOAD_ENDED: Final = Kind("PR409-DV-0005", "The upload is complete.")
TOO_MANY_UPLOADS: Final = Kind("PR503-DV-0002", "As many uploads are unfinished in the cell as may be.")
ETAG_MISMATCH: Final = Kind("PR412-DV-0001", "The ETag does not match.")
DESTINATION_EXISTS: Final = Kind("PR412-DV-0002", "The destination exists and Overwrite is F.")
IF_FAILED: Final = Kind("PR412-DV-0003", "The header If does not hold.")
RANGE_NOT_SATISFIABLE: Final = Kind("PR416-DV-0001", "The range cannot be satisfied.")
QUEUE_FULL: Final = Kind("PR507-DV-0003", "The queue [{name}] is full.", WARN)
LOCKED: Final = Kind("PR423-DV-0001", "The resource is locked.")
FOREIGN_DESTINATION: Final = Kind("PR502-DV-0001", "The {name} [{value}] is not in this box.")

# Events and request keys
BAD_REQUEST_KEY: Final = Kind("PR400-EV-0002", "The request key is not valid.")

# Bodies in JSON outside OData, and what holds for every call
JSON_KEY_MISSING: Final = Kind("PR400-CM-0001", "The required key [{key}] is missing.")
JSON_VALUE_FORMAT: Final = Kind("PR400-CM-0002", "The value of [{key}] must have the form [{form}].")
JSON_KEY_UNKNOWN: Final = Kind("PR400-CM-0003", "The key [{key}] is unknown.")
JSON_UNREADABLE: Final = Kind("PR400-CM-0004", "The request body is not valid JSON: [{cause}].")
BAD_AUTHORITY: Final = Kind("PR400-CM-0005", "The authority [{authority}] does not belong to the unit [{unit}].")
MALFORMED_REQUEST: Final = Kind("PR400-CM-0006", "The request is malformed: {cause}.")
NOT_ACCEPTABLE: Final = Kind("PR406-CM-0001", "The media type [{value}] cannot be served.")
CELL_IMPORT_FAILED: Final = Kind(
    "PR409-CM-0001",
    "The import of the cell failed: only unit level calls, import, export, snapshots and tokens work.",
)
CELL_LOCKED: Final = Kind("PR409-CM-0002", "The cell cannot be changed now: [{reason}].")
BODY_TOO_LARGE: Final = Kind("PR413-CM-0001", "The request body is larger than {limit} bytes.")
URI_TOO_LONG: Final = Kind("PR414-CM-0001", "The request URI is longer than {limit} bytes.")
HEADERS_TOO_LARGE: Final = Kind("PR431-CM-0001", "The request headers are larger than {limit} bytes.")

# Snapshots, methods, preconditions
SNAPSHOT_ENTRY_MISSING: Final = Kind("PR400-MC-0001", "The snapshot lacks or damages the entry [{entry}].")
PATH_STYLE_DISABLED: Final = Kind("PR400-MC-0002", "Path-style cell URLs are disabled on this unit.")
SNAPSHOT_VERSION: Final = Kind("PR400-MC-0003", "The snapshot has version [{actual}]; [{expected}] is expected.")
SNAPSHOT_NOT_ZIP: Final = Kind("PR400-MC-0004", "The snapshot is not a usable zip file: {cause}.")
SNAPSHOT_UNREADABLE: Final = Kind("PR400-MC-0005", "The snapshot cannot be read: {cause}.")
SNAPSHOT_SEALED: Final = Kind("PR400-MC-0006", "The snapshot is encrypted: its Passphrase is needed.")
SNAPSHOT_PASSPHRASE: Final = Kind("PR400-MC-0007", "The Passphrase does not open the snapshot.")
NO_SUCH_URI: Final = Kind("PR404-MC-0001", "Nothing is served at this URI.")
METHOD_NOT_ALLOWED: Final = Kind("PR405-MC-0001", "The method is not allowed here.")
REQUEST_TIMEOUT: Final = Kind("PR408-MC-0001", "The request took too long.")
CELL_IN_USE: Final = Kind("PR409-MC-0001", "The cell is in use.")
UPGRADE_REQUIRED: Final = Kind("PR426-MC-0001", "A WebSocket of version 13 is expected here.")
PRECONDITION_HEADER: Final = Kind("PR412-MC-0001", "The header [{name}] does not have the required value.")
MEDIA_TYPE_UNSUPPORTED: Final = Kind("PR415-MC-0001", "The media type is not supported.")
JOB_CUT: Final = Kind("PR500-MC-0001", "The unit stopped before the end of the {job}.", WARN)
NOT_IMPLEMENTED: Final = Kind("PR501-MC-0001", "The method is not implemented.")

# HTML relay
RELAY_URL_UNSET: Final = Kind("PR412-UI-0001", "The property [{name}] is not set.")
RELAY_URL_FORMAT: Final = Kind(
    "PR412-UI-0002", "The page [{url}] has no URL of http, https, personium-localunit or personium-localcell."
)
RELAY_UNREACHABLE: Final = Kind("PR500-UI-0002", "The page [{url}] cannot be fetched: {cause}.", WARN)
RELAY_NOT_HTML: Final = Kind("PR500-NW-0002", "The answer of [{url}] is not {expected}.", WARN)

# Scripts
SCRIPT_FAILED: Final = Kind("PR500-SC-0005", "The service script failed.", WARN)
SCRIPT_ENGINE_DOWN: Final = Kind("PR500-SC-0001", "The script engine cannot be reached.", ERROR)

# Server
TOO_MANY_REQUESTS: Final = Kind("PR503-SV-0001", "Too many concurrent requests.", WARN)
SHUTTING_DOWN: Final = Kind("PR503-SV-0002", "The unit is shutting down.")
DISK_FULL: Final = Kind("PR507-SV-0001", "The disk of the unit is full.", ERROR)
CONTENT_UNREADABLE: Final = Kind("PR500-DV-0003", "The bytes of the file cannot be decrypted.", ERROR)
QUOTA_EXCEEDED: Final = Kind("PR507-DV-0001", "The cell is full.")
TOO_MANY_LOCKS: Final = Kind("PR507-DV-0002", "The box holds as many locks as it may.")
PROPERTIES_FULL: Final = Kind("PR507-DV-0004", "The resource has no room for these properties.")
UNEXPECTED: Final = Kind("PR500-SV-9999", "Unknown exception [{trace}].", ERROR)


def catalogue() -> dict[str, Kind]:
    """Every kind of this module by its name, in the order of definition."""
    return {name: value for name, value in globals().items() if isinstance(value, Kind)}
