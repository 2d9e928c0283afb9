"""Trans-cell tokens as the use cases judge them: whose they are, when and where they are good, and every forgery."""

from __future__ import annotations

import base64
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConfiguration,
    SignatureConstructionMethod,
    SignatureMethod,
    XMLSigner,
    XMLVerifier,
)

from alveary.adapters.keys.identity import CertifiedIdentity
from alveary.config import Auth, Config
from alveary.ports import Ports
from alveary.usecases.assertions import Assertion, Fault, issue, judge
from alveary.wire.saml import render
from alveary.wire.urls import Urls
from tests.identities import NOW, NOW_MS, ROOT, certificate, certified, identity, root, rsa_key
from tests.ports import ports_of
from tests.tokens import DSIG, EXCLUSIVE, SAML, decoded, encoded, retold, signed_xml, unsigned

UNIT, OTHER, THIRD = "unit.example", "other.example", "third.example"
MINE = f"https://{UNIT}/bob/"
THEIRS = f"https://{OTHER}/alice/"
HOUR_MS = 3_600_000
AUTHORITY = root()


class Clock:
    def __init__(self, ms: int) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms


def unit(
    host: str = UNIT,
    signer: CertifiedIdentity | None = None,
    *,
    now_ms: int = NOW_MS,
    style: bool = True,
    **auth: Any,
) -> Ports:
    """The unit at *host*, which trusts the authority of the tests."""
    return ports_of(
        identity=signer or identity(host, AUTHORITY),
        urls=Urls.parse(f"https://{host}/", path_style=style, aliases=["localhost:8080"]),
        clock=Clock(now_ms),
        config=Config(auth=Auth(**auth)),
    )


def given(ports: Ports, cell: str = "alice", target: str = MINE, **said: Any) -> str:
    """A token by the cell of that name of *ports*."""
    return issue(
        ports,
        SimpleNamespace(name=cell),  # type: ignore[arg-type]
        **(
            {
                "subject": f"{ports.urls.cell_url(cell)}#me",
                "target": target,
                "roles": [f"{ports.urls.cell_url(cell)}__role/__/friend"],
                "schema": None,
                "scopes": ["root"],
                "life_s": 3600,
            }
            | said
        ),
    )


OTHER_UNIT = certified(OTHER, AUTHORITY)
TRUE = given(unit(OTHER, OTHER_UNIT))
XML = decoded(TRUE).decode()


def told(raw: str = TRUE) -> Assertion:
    found = judge(unit(), raw, [MINE])
    assert isinstance(found, Assertion), found
    return found


GOOD = told()


def signer(key: str = OTHER, hash_algorithm: HashAlgorithm | None = None) -> Callable[[bytes], bytes]:
    return lambda data: rsa_key(key).sign(data, PKCS1v15(), hash_algorithm or SHA256())


def forged(xml: str = XML, key: str = OTHER, **said: Any) -> str:
    """*xml* signed anew, by the trusted unit unless another key is named."""
    said.setdefault("certificate", OTHER_UNIT.certificate)
    return signed_xml(xml, signer(key, said.pop("hash_algorithm", None)), **said)


def rendered(assertion: Assertion, by: CertifiedIdentity = OTHER_UNIT) -> str:
    return render(assertion, by.sign, by.certificate, by.subject_name)


def judged(raw: str, *audiences: str, by: Ports | None = None) -> Assertion | Fault:
    return judge(by or unit(), raw, audiences or [MINE])


class TestTrueTokens:
    def test_one_of_another_unit_says_what_its_cell_said(self) -> None:
        assert (GOOD.issuer, GOOD.subject) == (THEIRS, f"{THEIRS}#me")
        assert GOOD.roles == (f"{THEIRS}__role/__/friend",)
        assert (GOOD.audience, GOOD.recipient) == (MINE, f"{MINE}__token")
        assert (GOOD.schema, GOOD.scopes) == (None, ("root",))
        assert (GOOD.issued_ms, GOOD.expires_ms) == (NOW_MS, NOW_MS + HOUR_MS)
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", GOOD.id)

    def test_every_token_has_an_id_of_its_own(self) -> None:
        assert told(given(unit(OTHER, OTHER_UNIT))).id != GOOD.id

    @pytest.mark.parametrize("style", [True, False])
    def test_one_of_this_unit_needs_no_root(self, style: bool) -> None:
        alone = unit(signer=identity(UNIT), style=style)
        target = alone.urls.cell_url("bob")
        found = judge(alone, given(alone, "carol", target), [target])
        assert isinstance(found, Assertion)
        assert found.issuer == alone.urls.cell_url("carol")

    def test_a_cell_in_host_style_of_another_unit(self) -> None:
        raw = given(unit(OTHER, OTHER_UNIT, style=False))
        assert told(raw).issuer == f"https://alice.{OTHER}/"

    def test_the_unit_itself_may_be_meant(self) -> None:
        raw = given(unit(OTHER, OTHER_UNIT), target=f"https://{UNIT}/")
        assert isinstance(judged(raw, f"https://{UNIT}/"), Assertion)
        assert judged(raw) is Fault.AUDIENCE

    def test_a_signature_in_exclusive_canonical_form(self) -> None:
        assert told(forged(transforms=(EXCLUSIVE,), canonicalization=EXCLUSIVE)) == GOOD


class TestWhere:
    @pytest.mark.parametrize(
        ("target", "audience"),
        [
            (MINE, MINE[:-1]),
            (MINE[:-1], MINE),
            (MINE, "personium-localunit:bob:/"),
            (MINE, "personium-localunit:/bob/"),
            (MINE, "http://localhost:8080/bob/"),
            ("http://localhost:8080/bob", MINE),
        ],
    )
    def test_spellings_of_one_cell_are_one_audience(self, target: str, audience: str) -> None:
        assert isinstance(judged(given(unit(OTHER, OTHER_UNIT), target=target), audience), Assertion)

    @pytest.mark.parametrize(
        "audience",
        [f"https://{UNIT}/carol/", f"https://{UNIT}/bob2/", f"https://{UNIT}/", f"https://{UNIT}/bob/box/", THEIRS],
    )
    def test_a_token_is_replayed_at_no_other_cell(self, audience: str) -> None:
        assert judged(TRUE, audience) is Fault.AUDIENCE
        assert judge(unit(), TRUE, []) is Fault.AUDIENCE

    def test_the_schema_is_no_audience(self) -> None:
        raw = rendered(retold(GOOD, audience="https://x.example/", schema=MINE))
        assert judged(raw) is Fault.AUDIENCE


class TestWhen:
    @pytest.mark.parametrize(
        ("later_ms", "fault"),
        [
            (HOUR_MS - 1, None),
            (HOUR_MS, Fault.EXPIRED),
            (-60_000, None),
            (-60_001, Fault.EXPIRED),
        ],
    )
    def test_from_its_issue_less_the_skew_to_its_end(self, later_ms: int, fault: Fault | None) -> None:
        assert judged(TRUE, by=unit(now_ms=NOW_MS + later_ms)) == (fault or GOOD)

    def test_the_skew_is_configured(self) -> None:
        assert judged(TRUE, by=unit(now_ms=NOW_MS - 1, clock_skew_s=0)) is Fault.EXPIRED

    def test_its_conditions_are_heeded(self) -> None:
        def conditions(text: str) -> Assertion | Fault:
            return judged(forged(XML.replace("<Conditions>", f"<Conditions {text}>")))

        assert conditions('NotBefore="2026-01-01T12:01:00Z"') == GOOD
        assert conditions('NotBefore="2026-01-01T12:01:01Z"') is Fault.EXPIRED
        assert conditions('NotOnOrAfter="2026-01-01T12:00:00Z"') is Fault.EXPIRED

    @pytest.mark.parametrize(("hours", "fault"), [(24, None), (25, Fault.EXPIRED), (-1, Fault.EXPIRED)])
    def test_no_life_is_too_long(self, hours: int, fault: Fault | None) -> None:
        long = retold(GOOD, expires_ms=NOW_MS + hours * HOUR_MS)
        assert judged(rendered(long)) == (fault or long)

    def test_how_long_is_configured(self) -> None:
        assert judged(TRUE, by=unit(assertion_max_s=3599)) is Fault.EXPIRED


class TestWhose:
    def test_a_unit_speaks_for_no_other_host(self) -> None:
        for issuer in (f"https://{THIRD}/x/", f"https://evil{OTHER}/x/", "https://example/x/", f"https://x.{UNIT}/"):
            assert judged(rendered(retold(GOOD, issuer=issuer))) is Fault.SIGNATURE, issuer

    def test_a_common_name_covers_from_a_dot_on(self) -> None:
        plain = certificate(OTHER, issuer=AUTHORITY, issuer_key=rsa_key(ROOT))
        signs = CertifiedIdentity.of(rsa_key(OTHER), plain)
        assert judged(rendered(GOOD, signs)) == GOOD
        assert judged(rendered(retold(GOOD, issuer=f"https://evil{OTHER}/x/"), signs)) is Fault.SIGNATURE

    def test_a_cell_of_this_unit_speaks_by_its_certificate_alone(self) -> None:
        # A certificate for this very host by a trusted authority, but another one than the unit's.
        twin = certified(UNIT, AUTHORITY)
        for issuer in (f"https://{UNIT}/carol/", "http://localhost:8080/carol/", f"https://{UNIT}/carol"):
            assert judged(rendered(retold(GOOD, issuer=issuer), twin)) is Fault.SIGNATURE

    def test_and_the_certificate_for_no_one_else(self) -> None:
        own = identity(UNIT, AUTHORITY)
        for issuer in (THEIRS, f"https://{UNIT}/", f"http://{UNIT}/carol/", f"https://carol.{UNIT}/"):
            assert judged(rendered(retold(GOOD, issuer=issuer), own)) is Fault.SIGNATURE
        assert isinstance(judged(rendered(retold(GOOD, issuer=f"https://{UNIT}/carol/"), own)), Assertion)

    @pytest.mark.parametrize(
        "issuer",
        [
            "personium-localunit:alice:/",
            f"ftp://{OTHER}/x/",
            f"//{OTHER}/x/",
            f"https://{OTHER}@evil.example/",
            f"https://evil.example#.{OTHER}/",
            f"https://evil.example\\.{OTHER}/",
            f"https://evil.example/?.{OTHER}",
            f"https://user@{OTHER}/",
            f"https://{OTHER}/x/?a",
            f"https://{OTHER}/x/#a",
            f"https://{OTHER}/x y/",
            f" https://{OTHER}/x/",
            f"https://{OTHER}\n/x/",
            f"https://{OTHER}./x/",
            f"https://.{OTHER}/x/",
            f"https://ä.{OTHER}/x/",
            "https:///x/",
            "alice",
        ],
    )
    def test_an_issuer_is_an_absolute_url_of_a_plain_host(self, issuer: str) -> None:
        assert judged(rendered(retold(GOOD, issuer=issuer))) is Fault.SIGNATURE

    def test_its_host_may_have_a_port_and_capitals(self) -> None:
        for issuer in (f"https://{OTHER}:8443/x/", f"HTTPS://{OTHER.upper()}/x/", f"http://{OTHER}"):
            assert told(rendered(retold(GOOD, issuer=issuer))).issuer == issuer

    @pytest.mark.parametrize("host", ["10.0.0.1", "[::1]"])
    def test_its_host_may_be_an_address(self, host: str) -> None:
        signs = certified(host.strip("[]"), AUTHORITY)
        issued = retold(GOOD, issuer=f"https://{host}:1/x/")
        assert judged(rendered(issued, signs)) == issued
        assert judged(rendered(issued)) is Fault.SIGNATURE

    def test_a_unit_that_no_trusted_root_knows(self) -> None:
        assert judged(given(unit(OTHER, identity(OTHER)))) is Fault.SIGNATURE
        assert judged(TRUE, by=unit(signer=identity(UNIT))) is Fault.SIGNATURE

    def test_an_expired_root(self) -> None:
        old = root(ends=NOW - timedelta(seconds=1))
        assert judged(TRUE, by=unit(signer=identity(UNIT, old))) is Fault.SIGNATURE

    def test_an_expired_certificate(self) -> None:
        old = certificate(
            OTHER, names=[OTHER], issuer=AUTHORITY, issuer_key=rsa_key(ROOT), ends=NOW - timedelta(seconds=1)
        )
        assert judged(rendered(GOOD, CertifiedIdentity.of(rsa_key(OTHER), old))) is Fault.SIGNATURE


def signature_of(xml: str) -> str:
    found = re.search(r"<Signature .*</Signature>", xml)
    assert found
    return found[0]


EVIL = unsigned(XML).replace("#me", "#admin").replace(GOOD.id, "evil")
"""What the attacker wants to be read, without signature."""

SEAL = signature_of(XML).replace('URI=""', f'URI="#{GOOD.id}"')
"""The true signature, as it would look when it referred to its assertion by id."""


def inside(outer: str, inner: str, *, before: str = "</Assertion>") -> str:
    content, mark, rest = outer.rpartition(before)
    return content + inner + mark + rest


class TestWrapping:
    """The eight ways of moving what was signed to where it is not read. Source: Somorovsky et al., 2012."""

    WAYS = {  # noqa: RUF012
        "1: a new root around the signature, which holds the original": lambda seal, true: inside(
            EVIL, seal.replace("</Signature>", f"{true}</Signature>")
        ),
        "2: the signature beside the original": lambda seal, true: inside(EVIL, seal + true),
        "3: the original in the new one, which stands first": lambda seal, true: EVIL.replace(
            "<Issuer>", inside(true, seal) + "<Issuer>", 1
        ),
        "4: the new one around the original": lambda seal, true: inside(EVIL, inside(true, seal)),
        "5: the signature in the new one, the original at its end": lambda seal, true: inside(EVIL, seal) + true,
        "6: the original in the signature of the new one": lambda seal, true: inside(
            EVIL, seal.replace("<KeyInfo>", f"{true}<KeyInfo>")
        ),
        "7: the original in an extension": lambda seal, true: inside(EVIL, f"{seal}<Extensions>{true}</Extensions>"),
        "8: the original in an object of the signature": lambda seal, true: inside(
            EVIL, seal.replace("</Signature>", f"<Object>{true}</Object></Signature>")
        ),
    }

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("seal", [SEAL, signature_of(XML)], ids=["by id", "the whole"])
    def test_it_is_refused(self, way: str, seal: str) -> None:
        xml = self.WAYS[way](seal, unsigned(XML))
        assert judged(encoded(xml)) in {Fault.UNREADABLE, Fault.SIGNATURE}
        # In an envelope too, which makes of two roots one.
        assert judged(encoded(f'<Response xmlns="{SAML}">{xml}</Response>')) is Fault.UNREADABLE

    @pytest.mark.parametrize("way", WAYS)
    def test_it_is_refused_when_both_have_one_id(self, way: str) -> None:
        xml = self.WAYS[way](SEAL, unsigned(XML)).replace('"evil"', f'"{GOOD.id}"')
        assert judged(encoded(xml)) in {Fault.UNREADABLE, Fault.SIGNATURE}

    def test_the_pieces_they_are_made_of_are_good_by_themselves(self) -> None:
        assert judged(encoded(inside(unsigned(XML), signature_of(XML)))) == GOOD
        assert judged(forged(uri=f"#{GOOD.id}")) == GOOD


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
class TestForgeries:
    def test_a_comment_in_a_name(self) -> None:
        name = f"{THEIRS}#me"
        for middle in ("<!-- -->", "<?x?>", "<![CDATA[]]>", "<b/>"):
            split = XML.replace(f"<NameID>{name}", f"<NameID>{THEIRS}#admin{middle}.example")
            assert judged(forged(split)) is Fault.UNREADABLE
            assert judged(encoded(XML.replace(name, f"{name[:-1]}{middle}e"))) is Fault.UNREADABLE

    def test_no_signature(self) -> None:
        assert judged(encoded(unsigned(XML))) is Fault.SIGNATURE

    def test_sha1(self) -> None:
        assert judged(forged(digest="sha1")) is Fault.SIGNATURE
        assert judged(forged(signature=f"{DSIG}rsa-sha1", hash_algorithm=SHA1())) is Fault.SIGNATURE  # noqa: S303
        assert judged(forged(hash_algorithm=SHA1())) is Fault.SIGNATURE  # noqa: S303

    def test_another_key_with_the_certificate_of_a_trusted_unit(self) -> None:
        assert judged(forged(key="impostor")) is Fault.SIGNATURE

    def test_another_certificate_for_the_same_signature(self) -> None:
        other = base64.b64encode(certified(THIRD, AUTHORITY).certificate).decode()
        swapped = re.sub("(<X509Certificate>)[^<]*", rf"\g<1>{other}", XML)
        assert judged(encoded(swapped)) is Fault.SIGNATURE

    def test_the_signature_of_another_token(self) -> None:
        other = decoded(given(unit(OTHER, OTHER_UNIT), subject=f"{THEIRS}#admin")).decode()
        assert judged(encoded(inside(unsigned(other), signature_of(XML)))) is Fault.SIGNATURE
        digest = "(?<=<DigestValue>)[^<]*"
        found = re.search(digest, other)
        assert found
        mixed = re.sub(digest, found[0], signature_of(XML))
        assert judged(encoded(inside(unsigned(other), mixed))) is Fault.SIGNATURE

    def test_ten_thousand_changes(self) -> None:
        chance = random.Random(20_260_101)  # noqa: S311
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.~ \n"
        own = unit()
        mine = given(own, "carol")
        for number in range(10_000):
            raw = (TRUE, mine)[number % 2]
            if number % 4 < 2:
                at = chance.randrange(len(raw))
                changed = raw[:at] + chance.choice(letters.replace(raw[at], "")) + raw[at + 1 :]
            else:
                data = bytearray(decoded(raw))
                data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
                changed = encoded(bytes(data))
            assert isinstance(judge(own, changed, [MINE]), Fault), changed

    def test_every_bit_of_a_token_counts(self) -> None:
        data, own = decoded(TRUE), unit()
        for at in range(len(data)):
            changed = bytearray(data)
            changed[at] ^= 1 << at % 8
            assert isinstance(judge(own, encoded(bytes(changed)), [MINE]), Fault), at


class OtherVerifier(XMLVerifier):
    """signxml, told to overcome what its canonical form of a part of a document has too much."""

    excise_empty_xmlns_declarations = True


class TestOtherJudges:
    def test_signxml_finds_our_tokens_good(self) -> None:
        ours = x509_of(OTHER_UNIT)
        found = OtherVerifier().verify(
            decoded(TRUE),
            x509_cert=ours,
            expect_config=SignatureConfiguration(
                require_x509=True, signature_methods=frozenset({SignatureMethod.RSA_SHA256})
            ),
        )
        assert found.signed_xml.findtext(f"{{{SAML}}}Issuer") == THEIRS
        with pytest.raises(Exception, match=r"Digest mismatch|Signature verification failed"):
            OtherVerifier().verify(decoded(TRUE).replace(b"#me", b"#you"), x509_cert=ours)

    @pytest.mark.parametrize("changed", [False, True])
    def test_xmlsec_finds_them_good(self, tmp_path: Path, changed: bool) -> None:
        xmlsec = shutil.which("xmlsec1")
        if xmlsec is None:
            assert "CI" not in os.environ, "xmlsec1 is missing"
            pytest.skip("xmlsec1 is not installed")
        ours, token = tmp_path / "unit.pem", tmp_path / "token.xml"
        ours.write_bytes(x509_of(OTHER_UNIT).public_bytes(Encoding.PEM))
        token.write_bytes(decoded(TRUE).replace(b"#me", b"#you") if changed else decoded(TRUE))
        asked = [xmlsec, "--verify", "--pubkey-cert-pem", ours, "--enabled-key-data", "rsa", token]
        answer = subprocess.run(asked, check=False, capture_output=True)
        assert (answer.returncode == 0) is not changed, answer.stderr

    def signed(self, key: str = OTHER, **said: Any) -> str:
        """The sample as signxml signs it."""
        said.setdefault("c14n_algorithm", CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
        judge_of_sha1 = XMLSigner.check_deprecated_methods
        try:
            XMLSigner.check_deprecated_methods = lambda self: None  # type: ignore[method-assign]
            made = XMLSigner(method=SignatureConstructionMethod.enveloped, **said).sign(
                etree.fromstring(unsigned(XML)), key=rsa_key(key), cert=[x509_of(OTHER_UNIT)]
            )
        finally:
            XMLSigner.check_deprecated_methods = judge_of_sha1  # type: ignore[method-assign]
        return encoded(etree.tostring(made))

    @pytest.mark.parametrize(
        "form",
        [
            CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
            CanonicalizationMethod.CANONICAL_XML_1_0,
        ],
    )
    @pytest.mark.parametrize(
        "method", [SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA384, SignatureMethod.RSA_SHA512]
    )
    def test_what_signxml_signs_for_a_trusted_unit_is_accepted(
        self, form: CanonicalizationMethod, method: SignatureMethod
    ) -> None:
        assert told(self.signed(c14n_algorithm=form, signature_algorithm=method)) == GOOD

    def test_what_it_signs_with_another_key_is_not(self) -> None:
        assert judged(self.signed(key="impostor")) is Fault.SIGNATURE

    def test_nor_with_sha1(self) -> None:
        assert judged(self.signed(signature_algorithm=SignatureMethod.RSA_SHA1)) is Fault.SIGNATURE
        assert judged(self.signed(digest_algorithm=DigestAlgorithm.SHA1)) is Fault.SIGNATURE

    def test_nor_in_a_form_with_comments(self) -> None:
        form = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0_WITH_COMMENTS
        assert judged(self.signed(c14n_algorithm=form)) is Fault.SIGNATURE


def x509_of(of: CertifiedIdentity) -> Any:
    from cryptography import x509

    return x509.load_der_x509_certificate(of.certificate)
