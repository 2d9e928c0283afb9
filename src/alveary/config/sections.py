"""Every option once, with default, bounds, effect and the Personium key it stands for.

What does not belong here: what any option does, and where its value comes from (``reading``). ``docs/config.md`` is
made from this file by ``make docs``.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec

from alveary.config.forms import Bind, Hosts, Layers, Network, Secret, Tables, Url

KIB: Final = 1024
MIB: Final = 1024 * KIB


def _option(effect: str, personium: str = "", *, ge: float | None = None, le: float | None = None) -> msgspec.Meta:
    """An option's effect, the Personium keys it stands for (less ``io.personium.core.``), and its bounds."""
    return msgspec.Meta(description=effect, extra={"personium": personium}, ge=ge, le=le)


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A group of options."""


class Tls(Section, frozen=True, kw_only=True):
    """TLS of the server itself."""

    certificate: Annotated[Path | None, _option("PEM file of the certificate chain; unset: plain http.")] = None
    key: Annotated[Path | None, _option("PEM file of the private key.")] = None


class Unit(Section, frozen=True, kw_only=True):
    """The unit's identity towards other units."""

    certificate: Annotated[
        Path | None, _option("PEM file of the signing certificate; unset: one is made.", "x509.crt")
    ] = None
    key: Annotated[Path | None, _option("PEM file of its private key.", "x509.key")] = None
    trusted_roots: Annotated[
        tuple[Path, ...],
        _option("PEM files of the authorities that other units' certificates go back to.", "x509.root"),
    ] = ()


class Auth(Section, frozen=True, kw_only=True):
    """Passwords, throttling and tokens."""

    password_regex: Annotated[
        re.Pattern[str], _option("What a new password must match as a whole.", "security.auth.password.regex")
    ] = re.compile(r"^[a-zA-Z0-9\-_!$*=^`{|}~.@]{6,32}$")
    hash_log2_n: Annotated[
        int, _option("scrypt cost as a power of two.", "security.auth.password.scrypt.cpuCost", ge=10, le=20)
    ] = 14
    hash_r: Annotated[int, _option("scrypt block size.", "security.auth.password.scrypt.memoryCost", ge=1, le=32)] = 8
    hash_p: Annotated[
        int, _option("scrypt rounds.", "security.auth.password.scrypt.parallelization", ge=1, le=16)
    ] = 5
    sha256_salt: Annotated[
        Secret,
        _option("The salt of sha-256 hashes that were made by an older unit.", "security.auth.password.salt"),
    ] = Secret("")
    lock_count: Annotated[
        int,
        _option("Failures in a row that lock an account; 0: never.", "authn.account.lockCount", ge=0, le=100),
    ] = 0
    lock_time_s: Annotated[
        int, _option("How long an account stays locked.", "authn.account.lockTime", ge=0, le=2_592_000)
    ] = 0
    valid_authn_interval_s: Annotated[
        float,
        _option(
            "How long any login of an account fails after a failed one.",
            "authn.account.validAuthnInterval",
            ge=0,
        ),
    ] = 1
    throttle_from: Annotated[
        int, _option("From which failure in a row that interval doubles, per account and per address.", ge=1)
    ] = 5
    throttle_max_s: Annotated[float, _option("The longest interval that doubling leads to.", ge=0)] = 300
    failure_floor_ms: Annotated[
        int,
        _option("The time after which every failed login answers, so that none tells why.", ge=0, le=10_000),
    ] = 300
    waiting_logins: Annotated[
        int, _option("Logins that are being proved or wait for it, in all; one more fails.", ge=1)
    ] = 256
    waiting_logins_per_address: Annotated[
        int, _option("The same from one address, whose logins are proved one after another.", ge=1)
    ] = 32
    access_token_s: Annotated[int, _option("Longest life of an access token.", ge=1, le=3_600)] = 3_600
    refresh_token_s: Annotated[int, _option("Longest life of a refresh token.", ge=1, le=86_400)] = 86_400
    assertion_max_s: Annotated[
        int, _option("Longest life of another unit's token that is accepted.", ge=1, le=2_592_000)
    ] = 86_400
    clock_skew_s: Annotated[
        int, _option("How far the clock of another unit or provider may be off.", ge=0, le=3_600)
    ] = 60
    code_s: Annotated[int, _option("Life of an authorization code.", ge=1, le=600)] = 600
    scope_ropc: Annotated[
        str,
        _option("Widest scope of the password grant, blanks between.", "security.token.defaultScope.ropc"),
    ] = "root"
    scope_assertion: Annotated[
        str,
        _option("Widest scope of the assertion grant, blanks between.", "security.token.defaultScope.assertion"),
    ] = "root"
    scope_grant_code: Annotated[
        str,
        _option("Widest scope of the code grant, blanks between.", "security.token.defaultScope.grant_code"),
    ] = "root"
    owner_representatives: Annotated[
        bool,
        _option(
            "Whether accounts that a cell's ownerRepresentativeAccounts names may act as its owner (p_owner);"
            " who may import a snapshot may then make itself the owner of all the owner's cells."
        ),
    ] = False
    introspect_username: Annotated[
        str, _option("Basic user name accepted by token introspection; empty: none.", "introspect.username")
    ] = ""
    introspect_password: Annotated[Secret, _option("Its password.", "introspect.password")] = Secret("")


class Outbound(Section, frozen=True, kw_only=True):
    """What the unit fetches from other hosts: pages, and the documents of providers of logins."""

    allow: Annotated[
        Hosts,
        _option("Networks and host names that may be reached although their addresses are not public."),
    ] = ()
    timeout_s: Annotated[float, _option("Time until a whole answer has come, redirects included.", ge=0.05)] = 10
    redirects: Annotated[int, _option("Redirects in a row that are followed, each judged anew.", ge=0, le=10)] = 3
    max_bytes: Annotated[int, _option("One answer.", ge=1 * KIB)] = 4 * MIB


class Html(Section, frozen=True, kw_only=True):
    """Where a cell's pages come from when the cell itself names no source."""

    relay_url: Annotated[str, _option("Page of a cell's root.", "cell.relayhtmlurl.default")] = ""
    authorization_url: Annotated[str, _option("Login page.", "cell.authorizationhtmlurl.default")] = ""
    password_change_url: Annotated[
        str, _option("Password change page.", "cell.authorizationpasswordchangehtmlurl.default")
    ] = ""


class Log(Section, frozen=True, kw_only=True):
    """The unit's log lines on standard error, and the event logs of the cells."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], _option("The least important lines that are written.")
    ] = "info"
    format: Annotated[Literal["json", "console"], _option("One JSON object per line, or text for people.")] = "json"
    rotate_bytes: Annotated[int, _option("Size at which a cell's event log is archived.", ge=64 * KIB)] = 50 * MIB
    keep: Annotated[int, _option("Archived event logs kept per cell.", ge=0)] = 12


class Dav(Section, frozen=True, kw_only=True):
    """The WebDAV face."""

    semantics: Annotated[
        Literal["personium", "rfc4918"], _option("Whose word holds where Personium and RFC 4918 differ.")
    ] = "personium"
    lock_s: Annotated[
        int,
        _option("Longest life of a lock between two refreshes; also of one that names none.", ge=1, le=31_536_000),
    ] = 3_600
    infinity: Annotated[bool, _option("Whether PROPFIND answers Depth infinity; under RFC 4918 it always does.")] = (
        False
    )
    active_content: Annotated[
        Literal["run", "sandbox"],
        _option(
            "Whether pages that anyone may read, as apps are, run their scripts in the origin of their cell's URL;"
            " a box's property trustedcontent decides for itself."
        ),
    ] = "run"
    tell_quotas: Annotated[
        bool, _option("Whether PROPFIND of all properties has those of quotas, which are told by name in any case.")
    ] = False
    compress: Annotated[bool, _option("Whether texts are sent compressed to readers who take gzip.")] = False


class Store(Section, frozen=True, kw_only=True):
    """How files are stored."""

    encrypt: Annotated[
        bool,
        _option(
            "Whether new files and snapshots are encrypted at rest, under a key of their cell.",
            "security.dav.encrypt.enabled",
        ),
    ] = False


class OData(Section, frozen=True, kw_only=True):
    """The OData face."""

    shape: Annotated[
        Literal["personium", "v2"], _option("Whose JSON single entities have: Personium's or OData V2's.")
    ] = "personium"
    changesets: Annotated[
        Literal["atomic", "personium"],
        _option("Whether a changeset of a $batch succeeds or fails whole, or each of its requests by itself."),
    ] = "atomic"


class Limits(Section, frozen=True, kw_only=True):
    """What one request, cell or collection may hold; one more is refused with the catalogue's code."""

    # The HTTP edge
    header_bytes: Annotated[int, _option("Request line and headers together.", ge=1 * KIB)] = 64 * KIB
    header_timeout_s: Annotated[float, _option("Time for all headers to arrive.", ge=0.05)] = 10
    url_bytes: Annotated[int, _option("Path and query of a request.", ge=256)] = 50 * KIB
    body_idle_s: Annotated[float, _option("Longest pause between two pieces of a body.", ge=0.05)] = 60
    keep_alive_s: Annotated[float, _option("How long an idle connection is kept.", ge=0)] = 30
    shutdown_s: Annotated[float, _option("Time that requests have to end once the unit is told to stop.", ge=0)] = 30
    concurrent_requests: Annotated[int, _option("Requests in progress; more wait or get 503.", ge=1)] = 1_024
    upload_bytes: Annotated[int, _option("One uploaded file; 0: any size.", ge=0)] = 0
    json_bytes: Annotated[int, _option("A JSON body.", ge=1 * KIB)] = 8 * MIB
    form_bytes: Annotated[int, _option("A form body, tokens in it included.", ge=1 * KIB)] = 256 * KIB
    xml_bytes: Annotated[int, _option("An XML body.", ge=1 * KIB)] = 1 * MIB
    xml_depth: Annotated[int, _option("Nesting of its elements.", ge=8)] = 64

    # Storage
    inline_bytes: Annotated[int, _option("Files up to this size live in their row, larger ones beside it.", ge=0)] = (
        16 * KIB
    )
    disk_reserve_percent: Annotated[int, _option("Share of the disk that uploads leave free.", ge=0, le=90)] = 5
    cell_bytes: Annotated[
        int, _option("Bytes of all files of a cell that has no quota of its own; 0: any number.", ge=0)
    ] = 0
    cell_entities: Annotated[
        int, _option("Entities of such a cell, users', schemas' and the cell's own; 0: any number.", ge=0)
    ] = 0
    open_cells: Annotated[int, _option("Cells whose store stays open between requests.", ge=1)] = 256
    cell_jobs: Annotated[int, _option("Exports and imports under way at once.", "thread.pool.num.io.cell", ge=1)] = 10
    box_jobs: Annotated[int, _option("Box installs under way at once.", "thread.pool.num.io.box", ge=1)] = 20
    cell_wait_s: Annotated[
        float,
        _option(
            "How long an export, import or deletion of a cell waits for the writes before it.",
            "lock.cell.retry.times lock.cell.retry.interval",
            ge=0,
        ),
    ] = 5

    # WebDAV
    children: Annotated[
        int,
        _option("Resources directly in one collection, snapshot files too.", "dav.childresource.maxnum", ge=1),
    ] = 1_024
    depth: Annotated[int, _option("Nesting of collections.", "dav.depth.maxnum", ge=1)] = 50
    properties_of_resource: Annotated[int, _option("Properties that clients have set of one resource.", ge=1)] = 1_000
    property_bytes: Annotated[int, _option("Their XML together.", ge=1 * KIB)] = 1 * MIB
    acl_entries: Annotated[int, _option("Entries of one resource's ACL, inherited ones aside.", ge=1)] = 1_000
    locks: Annotated[int, _option("Locks in one box.", ge=1)] = 1_024
    lock_owner_bytes: Annotated[int, _option("What a client says of itself in a lock.", ge=64)] = 1 * KIB
    if_conditions: Annotated[int, _option("Conditions in an If header.", ge=1)] = 256
    uploads: Annotated[int, _option("Unfinished resumable uploads of one cell.", ge=0)] = 100
    upload_s: Annotated[int, _option("How long an unfinished upload is kept after its last piece.", ge=1)] = 86_400

    # Snapshots
    snapshot_bytes: Annotated[int, _option("One snapshot file; 0: any size.", ge=0)] = 0
    snapshot_name_chars: Annotated[int, _option("Its name without .zip.", ge=1, le=192)] = 192
    snapshot_entries: Annotated[int, _option("Entries of a snapshot that is imported.", ge=32)] = 2_000_000
    snapshot_line_bytes: Annotated[int, _option("One JSON line or small JSON entry of it.", ge=64 * KIB)] = 32 * MIB

    # Links and OData
    links_per_entity: Annotated[
        int, _option("N:N links of an entity by one navigation property.", "odata.links.NtoN.maxnum", ge=1)
    ] = 150_000
    entity_types: Annotated[
        int, _option("Entity types of a collection.", "box.odata.schema.MaxEntityTypes", ge=1)
    ] = 100
    properties: Annotated[
        int,
        _option("Properties of an entity type, through its complex types.", "box.odata.schema.MaxProperties", ge=1),
    ] = 400
    simple_properties: Annotated[
        Layers,
        _option("Simple properties per layer of nesting.", "box.odata.schema.property.LayerLimits.SimpleType"),
    ] = Layers((None, 50, 30, 10))
    complex_properties: Annotated[
        Layers,
        _option("Complex properties per layer of nesting.", "box.odata.schema.property.LayerLimits.ComplexType"),
    ] = Layers((20, 5, 2, 0))
    top_default: Annotated[int, _option("Rows of a list without $top.", "odata.query.top.default", ge=1)] = 25
    top_max: Annotated[int, _option("Largest $top.", "odata.query.top.maxnum", ge=1)] = 10_000
    skip_max: Annotated[int, _option("Largest $skip.", "odata.query.skip.maxnum", ge=0)] = 100_000
    expand_top_max: Annotated[int, _option("Largest $top beside $expand.", "odata.query.expand.top.maxnum", ge=1)] = (
        100
    )
    expand_list_max: Annotated[
        int, _option("Related entities of one entity in a list.", "odata.expand.list.maxnum", ge=1)
    ] = 100
    expand_retrieve_max: Annotated[
        int, _option("Related entities of one entity alone.", "odata.expand.retrieve.maxnum", ge=1)
    ] = 1_000
    expand_list_properties: Annotated[
        int, _option("Properties in $expand of a list.", "odata.query.expand.property.maxnum.list", ge=1)
    ] = 2
    expand_retrieve_properties: Annotated[
        int,
        _option("Properties in $expand of one entity.", "odata.query.expand.property.maxnum.retrieve", ge=1),
    ] = 10
    expand_total_max: Annotated[
        int, _option("Related entities of one answer, however deep they are expanded.", ge=1)
    ] = 20_000
    expand_depth: Annotated[int, _option("Navigation properties after one another in $expand.", ge=1, le=10)] = 3
    filter_terms: Annotated[
        int, _option("Comparisons, calls and arithmetic operations in a $filter.", ge=1, le=500)
    ] = 500
    query_s: Annotated[float, _option("Time that one query may take.", ge=0.1)] = 30
    answer_bytes: Annotated[
        int, _option("Entities that one list, or all requests of a $batch that read, may find.", ge=64 * KIB)
    ] = 64 * MIB
    filter_depth: Annotated[int, _option("How deeply a $filter may be nested.", ge=1, le=60)] = 50
    batch_bytes: Annotated[int, _option("A $batch body.", ge=1 * KIB)] = 64 * MIB
    batch_requests: Annotated[int, _option("Requests in a $batch.", "odata.batch.bulkRequestMaxSize", ge=1)] = 1_000
    batch_timeout_s: Annotated[
        float, _option("After this the rest of a $batch answers 408.", "odata.batch.timeoutInMillis", ge=1)
    ] = 270
    batch_pause_ms: Annotated[
        int, _option("How long a $batch of low priority pauses.", "odata.batch.sleepInMillis", ge=0)
    ] = 50
    batch_pause_interval_ms: Annotated[
        int, _option("How often it does.", "odata.batch.sleepIntervalInMillis", ge=1)
    ] = 1_000

    # Bar files
    bar_bytes: Annotated[int, _option("A bar file.", "bar.file.maxSize", ge=1 * KIB)] = 100 * MIB
    bar_entry_bytes: Annotated[int, _option("One entry of it.", "bar.entry.maxSize", ge=1 * KIB)] = 10 * MIB
    bar_progress_s: Annotated[
        int, _option("How long the progress of an install is told.", "bar.progress.expireInSec", ge=1)
    ] = 259_200

    # Messages, events, streams
    message_destinations: Annotated[int, _option("Receivers of one message.", ge=1)] = 1_000
    event_hops: Annotated[
        int, _option("Rules that may follow from one another; 0: none at all.", "event.hop.maxnum", ge=0)
    ] = 3
    stream_s: Annotated[int, _option("How long a stream keeps what nobody fetched.", "stream.expiresIn", ge=1)] = (
        3_600
    )


class Script(Section, frozen=True, kw_only=True):
    """The sandbox that runs the scripts of service collections."""

    workers: Annotated[int, _option("Worker processes, the idle ones included.", ge=1)] = 16
    memory_bytes: Annotated[int, _option("Memory of one script.", ge=8 * MIB)] = 64 * MIB
    stack_bytes: Annotated[int, _option("Its stack.", ge=128 * KIB, le=4 * MIB)] = 768 * KIB
    js_time_s: Annotated[float, _option("Time it may compute, waits for the unit excluded.", ge=0.05)] = 5
    wall_s: Annotated[float, _option("Time until it is killed.", ge=0.05)] = 50
    host_calls: Annotated[int, _option("Calls it may make to the unit.", ge=1)] = 1_000
    frame_bytes: Annotated[int, _option("One message between a script and the unit.", ge=64 * KIB)] = 16 * MIB
    idle_s: Annotated[float, _option("How long a worker waits for its box's next request.", ge=0)] = 30
    per_cell_concurrency: Annotated[int, _option("Scripts of one cell at once.", ge=1)] = 8
    requests_per_worker: Annotated[int, _option("Requests after which a worker is replaced.", ge=1)] = 1_000


class Stream(Section, frozen=True, kw_only=True):
    """Queues and topics of stream collections."""

    message_bytes: Annotated[int, _option("One message.", ge=1)] = 1 * MIB
    queue_messages: Annotated[int, _option("Messages that wait in one queue; one more is refused.", ge=1)] = 10_000
    queue_bytes: Annotated[int, _option("Their length together.", ge=1)] = 64 * MIB
    receive_messages: Annotated[int, _option("Largest ?max of a queue's GET.", ge=1)] = 100
    receive_bytes: Annotated[int, _option("Messages that one GET takes together, unless it is one.", ge=1)] = 8 * MIB
    receive_wait_s: Annotated[float, _option("How long a queue's GET waits without ?wait.", ge=0)] = 1
    receive_wait_max_s: Annotated[float, _option("Largest ?wait.", ge=0)] = 30
    receivers: Annotated[int, _option("Requests that wait for messages at once; one more gets 503.", ge=0)] = 256


class Socket(Section, frozen=True, kw_only=True):
    """WebSockets."""

    most: Annotated[int, _option("Open at once; one more gets 503.", ge=0)] = 1_024
    message_bytes: Annotated[int, _option("One message of a client.", ge=1)] = 64 * KIB
    fragments: Annotated[int, _option("Fragments of one message; with more the client is let go.", ge=1)] = 1_024
    frames_per_second: Annotated[
        int, _option("Frames of a client in a second, pings and fragments included; with more it is let go.", ge=1)
    ] = 2_000
    backlog_bytes: Annotated[int, _option("What waits for a slow client; with more it is let go.", ge=1)] = 1 * MIB
    token_s: Annotated[float, _option("Time until a client has sent its token.", ge=0.05)] = 60
    ping_s: Annotated[float, _option("How often a client is asked whether it is still there.", ge=0.05)] = 60
    unanswered_pings: Annotated[int, _option("Questions in a row that it may leave unanswered.", ge=0)] = 10


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration, read once."""

    data: Annotated[Path, _option("The data folder; made on first start.")] = Path("data")
    bind: Annotated[Bind, _option("Where the server listens.")] = Bind("127.0.0.1", 8080)
    base_url: Annotated[
        Url | None,
        _option("The unit's URL as clients see it; unset: made from the bind address.", "unitScheme unitPort"),
    ] = None
    path_style: Annotated[
        bool, _option("Cell URLs {unit}/{cell}/; else {cell}.{unit}/ alone.", "pathBasedCellUrl.enabled")
    ] = True
    aliases: Annotated[tuple[str, ...], _option("Further authorities (host or host:port) that are this unit.")] = ()
    api_version: Annotated[str, _option("The answered X-Personium-Version.", "version")] = "1.8.4"
    master_token: Annotated[
        Secret,
        _option("A fixed token that may do everything, for operators and tests; empty: none.", "masterToken"),
    ] = Secret("")
    unit_user_issuers: Annotated[
        tuple[str, ...], _option("Cell URLs whose tokens make unit users.", "unitUser.issuers")
    ] = ()
    trusted_proxies: Annotated[
        tuple[Network, ...], _option("Networks whose X-Forwarded-Proto, -Host and -For are believed.")
    ] = ()
    plugin: Annotated[
        Tables,
        _option("Tables of settings by name of a plug-in; in the variable, a JSON object of them."),
    ] = MappingProxyType({})
    tls: Tls = Tls()
    unit: Unit = Unit()
    auth: Auth = Auth()
    outbound: Outbound = Outbound()
    html: Html = Html()
    log: Log = Log()
    dav: Dav = Dav()
    store: Store = Store()
    odata: OData = OData()
    limits: Limits = Limits()
    stream: Stream = Stream()
    socket: Socket = Socket()
    script: Script = Script()
