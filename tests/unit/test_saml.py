"""The form of trans-cell tokens: what is written is read again, canonical as it stands, and nothing else is read."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from alveary.model.signatures import Hash
from alveary.wire.saml import DEFAULT_LIFE_MS, LONGEST_CHARS, Assertion, Fault, Signed, parse, render
from tests.tokens import DSIG, EXCLUSIVE, INCLUSIVE, SAML, decoded, encoded, retold, signed_xml

CERTIFICATE = b"a certificate"
SUBJECT_NAME = "CN=unit.example"
SAMPLE = Assertion(
    id="5f0e1ad2-90d5-4b36-9d2c-1b2c3d4e5f60",
    issuer="https://unit.example/alice/",
    subject="https://unit.example/alice/#me",
    audience="https://other.example/bob/",
    recipient="https://other.example/bob/__token",
    schema="https://app.example/#c",
    roles=("https://unit.example/alice/__role/__/friend", "https://app.example/__role/__/reader"),
    scopes=("root",),
    issued_ms=1_767_268_800_123,
    expires_ms=1_767_272_400_123,
)


def sign(data: bytes) -> bytes:
    return hashlib.sha512(data).digest()


def token(assertion: Assertion = SAMPLE, subject_name: str = SUBJECT_NAME) -> str:
    return render(assertion, sign, CERTIFICATE, subject_name)


def read(raw: str) -> Signed:
    signed = parse(raw)
    assert isinstance(signed, Signed), signed
    return signed


def canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=False, with_comments=False)


# Letters of XML, those that canonical XML writes in another way among them.
TEXTS = st.text(
    st.one_of(
        st.sampled_from("&<>\"'\t\n\r ]"),
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
    ),
    max_size=20,
)
NAMES = TEXTS.filter(bool)
MOMENTS = st.integers(0, 253_402_300_799_999)
ASSERTIONS = st.builds(
    Assertion,
    id=NAMES,
    issuer=NAMES,
    subject=NAMES,
    audience=NAMES,
    recipient=TEXTS,
    schema=st.none() | NAMES,
    roles=st.lists(TEXTS, max_size=4).map(tuple),
    scopes=st.lists(TEXTS, max_size=4).map(tuple),
    issued_ms=MOMENTS,
    expires_ms=MOMENTS,
)


class TestWriting:
    @given(ASSERTIONS, TEXTS)
    def test_what_was_written_is_read_again(self, assertion: Assertion, subject_name: str) -> None:
        signed = read(token(assertion, subject_name))
        assert signed.assertion == assertion
        assert signed.begins_ms == assertion.issued_ms
        assert signed.signature.certificate == CERTIFICATE
        assert signed.signature.subject_name == subject_name
        assert signed.signature.hash is Hash.SHA256
        assert signed.signature.value == sign(signed.signature.signed)

    @given(ASSERTIONS)
    def test_it_is_written_in_canonical_form(self, assertion: Assertion) -> None:
        xml = decoded(token(assertion))
        assert canonical(etree.fromstring(xml)) == xml

    def test_it_has_the_form_that_other_units_read(self) -> None:
        assert decoded(token()).decode() == (
            '<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="5f0e1ad2-90d5-4b36-9d2c-1b2c3d4e5f60"'
            ' IssueInstant="2026-01-01T12:00:00.123Z" Version="2.0"><Issuer>https://unit.example/alice/</Issuer>'
            "<Subject><NameID>https://unit.example/alice/#me</NameID>"
            '<SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
            '<SubjectConfirmationData NotOnOrAfter="2026-01-01T13:00:00.123Z"'
            ' Recipient="https://other.example/bob/__token"></SubjectConfirmationData></SubjectConfirmation></Subject>'
            "<Conditions><AudienceRestriction><Audience>https://other.example/bob/</Audience>"
            "<Audience>https://app.example/#c</Audience></AudienceRestriction></Conditions>"
            '<AuthnStatement AuthnInstant="2026-01-01T12:00:00.123Z"><AuthnContext><AuthnContextClassRef>'
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
            "</AuthnContextClassRef></AuthnContext></AuthnStatement><AttributeStatement>"
            '<Attribute Name="Roles" NameFormat="urn:x-personium:xmlns">'
            "<AttributeValue>https://unit.example/alice/__role/__/friend</AttributeValue>"
            "<AttributeValue>https://app.example/__role/__/reader</AttributeValue></Attribute>"
            '<Attribute Name="Scopes" NameFormat="urn:x-personium:xmlns"><AttributeValue>root</AttributeValue>'
            "</Attribute></AttributeStatement>"
            '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>'
            '<CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315">'
            "</CanonicalizationMethod>"
            '<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></SignatureMethod>'
            '<Reference URI=""><Transforms>'
            '<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></Transform></Transforms>'
            '<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></DigestMethod>'
            "<DigestValue>AoOmfzS5RlsMLlRTwfGMSaNaioNRGic3HyXrZEc8jT4=</DigestValue></Reference></SignedInfo>"
            f"<SignatureValue>{base64.b64encode(read(token()).signature.value).decode()}</SignatureValue>"
            "<KeyInfo><X509Data><X509SubjectName>CN=unit.example</X509SubjectName>"
            "<X509Certificate>YSBjZXJ0aWZpY2F0ZQ==</X509Certificate></X509Data></KeyInfo></Signature></Assertion>"
        )

    def test_it_begins_as_tokens_of_this_kind_do(self) -> None:
        assert token().startswith("PEFzc2")
        assert re.fullmatch(r"[A-Za-z0-9_-]+", token())

    def test_a_character_that_xml_cannot_hold_makes_no_token_that_is_read(self) -> None:
        assert parse(token(retold(SAMPLE, subject="a\0b"))) is Fault.UNREADABLE
        assert parse(token(retold(SAMPLE, subject="a\x0bb"))) is Fault.UNREADABLE


class TestSpellings:
    def test_base64_of_both_alphabets_with_or_without_padding(self) -> None:
        # A question mark as the third of three letters is what the two alphabets write differently.
        for length in range(1, 4):
            raw = token(retold(SAMPLE, id="?" * 6 + "x" * length))
            plain = base64.b64encode(decoded(raw)).decode()
            assert "_" in raw and "/" in plain
            padding = "=" * (-len(raw) % 4)
            for spelling in {raw, raw + padding, plain, plain.rstrip("=")}:
                assert read(spelling) == read(raw)

    def test_no_second_spelling_of_either(self) -> None:
        raw = next(each for n in range(9) if len(each := token(retold(SAMPLE, id="???" + "x" * n))) % 4 == 2)
        for spelling in (
            raw + "=",
            raw + "===",
            "=" + raw,
            raw[:-1] + chr(ord(raw[-1]) + 1),
            raw.replace("_", "/", 1),
            raw[:100] + "\n" + raw[100:],
            raw + " ",
            raw + "é",
            raw[:-1],
        ):
            assert parse(spelling) is Fault.UNREADABLE, spelling[-10:]

    @given(st.text(max_size=50) | st.binary(max_size=50).map(encoded))
    def test_nothing_else_is_read(self, raw: str) -> None:
        assert parse(raw) is Fault.UNREADABLE

    def test_nor_what_is_longer_than_any_token(self) -> None:
        assert parse("A" * (LONGEST_CHARS + 1)) is Fault.UNREADABLE


def changed(before: str, after: str) -> str:
    """The sample, changed and then digested: what only the form can refuse."""
    text = decoded(token()).decode()
    assert before in text
    return signed_xml(text.replace(before, after, 1))


class TestForm:
    def test_the_sample_is_accepted_as_it_is_digested_here(self) -> None:
        assert read(changed("friend", "enemy")).assertion.roles[0].endswith("enemy")

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("<Issuer>", "<Issuer>https://evil.example/</Issuer><Issuer>"),
            ("<Subject>", "<Subject><NameID>x</NameID></Subject><Subject>"),
            ("<NameID>", "<NameID>x</NameID><NameID>"),
            ("<NameID>", "<NameID><b/>"),
            ("<Audience>", "<Audience>https://x.example/</Audience><Audience>"),
            ("<AudienceRestriction>", "<AudienceRestriction></AudienceRestriction><AudienceRestriction>"),
            ("<Conditions>", "<Conditions></Conditions><Conditions>"),
            ("<AttributeStatement>", "<AttributeStatement></AttributeStatement><AttributeStatement>"),
            ('<Attribute Name="Roles"', '<Attribute Name="Roles"></Attribute><Attribute Name="Roles"'),
            ('<Attribute Name="Scopes"', '<Attribute Name="Roles"'),
            ("<Issuer>", "<Advice></Advice><Issuer>"),
            ("<Issuer>", "text<Issuer>"),
            ("</Issuer>", "</Issuer>text"),
            ("<Issuer>", '<Issuer ID="x">'),
            ("<NameID>", '<NameID xml:lang="x">'),
            ("<Issuer>", '<Issuer xmlns="">'),
            ("<Issuer>", '<Issuer xmlns="urn:other">'),
            ('Version="2.0"', 'Version="1.1"'),
            (' Version="2.0"', ""),
            ("cm:bearer", "cm:sender-vouches"),
            ("2026-01-01T12:00:00.123Z", "2026-01-01T12:00:00.123"),
            ("2026-01-01T12:00:00.123Z", "2026-13-01T12:00:00.123Z"),
            ("2026-01-01T12:00:00.123Z", "20260101T120000Z"),
            ("2026-01-01T12:00:00.123Z", "2026-01-01T12:00:00.123+99:00"),
            ("2026-01-01T13:00:00.123Z", "tomorrow"),
            ("2026-01-01T13:00:00.123Z", ""),
            ("https://unit.example/alice/</Issuer>", "</Issuer>"),
            ("https://unit.example/alice/#me", ""),
            ("https://other.example/bob/</Aud", "</Aud"),
            ('ID="5f0e1ad2-90d5-4b36-9d2c-1b2c3d4e5f60"', 'ID=""'),
        ],
    )
    def test_anything_that_could_be_read_in_two_ways_is_refused(self, before: str, after: str) -> None:
        assert parse(changed(before, after)) is Fault.UNREADABLE

    def test_nor_is_anything_but_an_assertion_read(self) -> None:
        other = decoded(token()).decode().replace("Assertion>", "Response>").replace("<Assertion ", "<Response ")
        assert parse(signed_xml(other)) is Fault.UNREADABLE

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("<NameID>https://unit.example/", "<NameID>https://unit.example/<!-- -->"),
            ("<NameID>https://unit.example/", "<NameID>https://unit.example/<?x y?>"),
            ("<NameID>https://unit.example/", "<NameID><![CDATA[https://unit.example/]]>"),
            ("<NameID>https://unit.example/", "<NameID>&nbsp;"),
            ("<Assertion ", "<?xml version='1.0'?><Assertion "),
            ("<Assertion ", "<!DOCTYPE Assertion><Assertion "),
            ("<Assertion ", "\ufeff<Assertion "),
            ("<Issuer>", "<Issuer\n>"),
            ("</Assertion>", "</Assertion><!-- -->"),
            ("</Assertion>", ""),
        ],
    )
    def test_markup_that_is_no_element_is_refused(self, before: str, after: str) -> None:
        assert parse(encoded(decoded(token()).decode().replace(before, after, 1))) is Fault.UNREADABLE

    def test_other_encodings_are_refused(self) -> None:
        for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
            assert parse(encoded(decoded(token()).decode().encode(name))) is Fault.UNREADABLE

    def test_roles_scopes_and_schema_may_be_missing(self) -> None:
        xml = re.sub(r"<AttributeStatement>.*</AttributeStatement>", "", decoded(token()).decode())
        found = read(signed_xml(xml.replace("<Audience>https://app.example/#c</Audience>", ""))).assertion
        assert (found.roles, found.scopes, found.schema) == ((), (), None)
        empty = read(changed("<Audience>https://app.example/#c</Audience>", "<Audience/>")).assertion
        assert empty.schema is None

    def test_an_attribute_of_another_name_says_nothing(self) -> None:
        found = read(changed('<Attribute Name="Scopes"', '<Attribute Name="Other"')).assertion
        assert found == retold(SAMPLE, scopes=())

    def test_times_are_read_in_every_zone(self) -> None:
        for text in ("2026-01-01T21:00:00.123+09:00", "2026-01-01T12:00:00.123456Z", "2026-01-01T05:30:00.123-06:30"):
            assert read(changed("2026-01-01T12:00:00.123Z", text)).assertion == SAMPLE
        assert read(changed("12:00:00.123Z", "12:00:00Z")).assertion.issued_ms == SAMPLE.issued_ms - 123

    def test_without_an_end_it_lives_for_an_hour(self) -> None:
        assert read(changed(' NotOnOrAfter="2026-01-01T13:00:00.123Z"', "")).assertion.expires_ms == (
            SAMPLE.issued_ms + DEFAULT_LIFE_MS
        )

    def test_its_conditions_shorten_its_life(self) -> None:
        found = read(
            changed(
                "<Conditions>",
                '<Conditions NotBefore="2026-01-01T12:10:00Z" NotOnOrAfter="2026-01-01T12:20:00Z">',
            )
        )
        assert found.begins_ms == SAMPLE.issued_ms - 123 + 600_000
        assert found.assertion.expires_ms == SAMPLE.issued_ms - 123 + 1_200_000


class TestSignatures:
    @pytest.mark.parametrize("canonicalization", [INCLUSIVE, EXCLUSIVE])
    @pytest.mark.parametrize("transforms", [(), (INCLUSIVE,), (EXCLUSIVE,)])
    @pytest.mark.parametrize("prefix", ["", "ds:"])
    def test_both_canonical_forms(self, canonicalization: str, transforms: tuple[str, ...], prefix: str) -> None:
        raw = signed_xml(
            decoded(token()).decode(), canonicalization=canonicalization, transforms=transforms, prefix=prefix
        )
        signed = read(raw)
        assert signed.assertion == SAMPLE
        colon = f":{prefix[:-1]}" if prefix else ""
        outer = f' xmlns="{SAML}"' if prefix and canonicalization == INCLUSIVE else ""
        assert signed.signature.signed.startswith(
            f'<{prefix}SignedInfo{outer} xmlns{colon}="{DSIG}"><{prefix}Canon'.encode()
        )

    @pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
    def test_the_digests_that_are_taken(self, digest: str) -> None:
        assert read(signed_xml(decoded(token()).decode(), digest=digest)).assertion == SAMPLE

    def test_a_reference_by_the_id_of_the_root(self) -> None:
        assert read(signed_xml(decoded(token()).decode(), uri=f"#{SAMPLE.id}")).assertion == SAMPLE

    @pytest.mark.parametrize(
        "said",
        [
            {"digest": "sha1"},
            {"signature": "http://www.w3.org/2000/09/xmldsig#rsa-sha1"},
            {"signature": "http://www.w3.org/2000/09/xmldsig#dsa-sha1"},
            {"signature": "http://www.w3.org/2000/09/xmldsig#hmac-sha1"},
            {"signature": "http://www.w3.org/2009/xmldsig11#dsa-sha256"},
            {"uri": "#other"},
            {"uri": "http://evil.example/"},
            {"transforms": ("http://www.w3.org/TR/1999/REC-xpath-19991116",)},
            {"transforms": ("http://www.w3.org/2001/10/xml-exc-c14n#WithComments",)},
            {"transforms": ("http://www.w3.org/2000/09/xmldsig#enveloped-signature",)},
            {"canonicalization": "http://www.w3.org/2006/12/xml-c14n11"},
            {"canonicalization": "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"},
        ],
        ids=str,
    )
    def test_methods_that_are_not_taken(self, said: dict[str, str]) -> None:
        assert parse(signed_xml(decoded(token()).decode(), **said)) is Fault.SIGNATURE

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("<SignedInfo>", "<SignedInfo></SignedInfo><SignedInfo>"),
            ("<Reference ", '<Reference URI=""></Reference><Reference '),
            ("<Signature ", '<Signature Id="x" '),
            ("<KeyInfo>", "<KeyInfo><KeyName>x</KeyName>"),
            ("<X509Certificate>", "<X509Certificate>YQ==</X509Certificate><X509Certificate>"),
            ("</KeyInfo>", "</KeyInfo><Object></Object>"),
            ("</KeyInfo>", "</KeyInfo>text"),
            ("<KeyInfo>", "<KeyInfo></KeyInfo><KeyInfo>"),
            ("<X509Certificate>YSBj", "<X509Certificate>YSBj*"),
            ("<X509Certificate>YSBjZXJ0aWZpY2F0ZQ==", "<X509Certificate>YSBjZXJ0aWZpY2F0ZQ"),
            ("<X509Certificate>YSBjZXJ0aWZpY2F0ZQ==", "<X509Certificate>YSBjZXJ0aWZpY2F0ZR=="),
            ("<SignatureValue>", "<SignatureValue/><X>"),
        ],
    )
    def test_a_signature_of_another_form(self, before: str, after: str) -> None:
        xml = decoded(token()).decode()
        assert before in xml
        assert parse(encoded(xml.replace(before, after, 1))) is Fault.UNREADABLE

    def test_base64_in_it_may_stand_on_several_lines(self) -> None:
        xml = decoded(token()).decode()
        lines = xml.replace("YSBjZXJ0aWZp", "\nYSBj&#13;\nZXJ0 aWZp\t", 1)
        assert read(encoded(lines)) == read(token())

    def test_without_one_nothing_is_said(self) -> None:
        assert parse(encoded(re.sub(r"<Signature .*</Signature>", "", decoded(token()).decode()))) is Fault.SIGNATURE

    def test_another_text_than_was_digested(self) -> None:
        assert parse(encoded(decoded(token()).replace(b"#me", b"#you"))) is Fault.SIGNATURE


def entities() -> str:
    """Each entity is ten of the one before."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    defined = "".join(
        f'<!ENTITY {name} "{("&" + before + ";") * 10}">' for before, name in itertools.pairwise(letters)
    )
    return f'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">{defined}]><Assertion>&z;</Assertion>'


def numbered(form: str, count: int) -> str:
    return f'<Assertion xmlns="{SAML}" {" ".join(form % number for number in range(count))}>'


BOMBS = {
    "entities": entities(),
    "external": '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x"><Assertion/>',
    "parameter": '<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd">%x;]><Assertion/>',
    "include": '<Assertion><x:include xmlns:x="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/></Assertion>',
    "depth": "<Assertion>" + "<a>" * 60_000,
    "closed depth": "<Assertion>" + "<a>" * 25_000 + "</a>" * 25_000 + "</Assertion>",
    "attributes": numbered('a%d=""', 18_000) + f'<Signature xmlns="{DSIG}"/></Assertion>',
    "namespaces": numbered('xmlns:a%d="b"', 10_000) + "</Assertion>",
    "brackets": "<" * 190_000,
    "elements": f'<Assertion xmlns="{SAML}">' + "<a/>" * 45_000 + "</Assertion>",
    "signatures": f'<Assertion xmlns="{SAML}">' + f'<Signature xmlns="{DSIG}"/>' * 60 + "</Assertion>",
}


def test_nothing_outside_a_token_is_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        for xml in (
            f'<!DOCTYPE a SYSTEM "{url}"><Assertion/>',
            f'<!DOCTYPE a [<!ENTITY b SYSTEM "{url}">]><Assertion>&b;</Assertion>',
            f'<?xml-stylesheet href="{url}"?><Assertion/>',
            f'<Assertion><x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{url}"/></Assertion>',
            decoded(changed("root", "root")).decode().replace('URI=""', f'URI="{url}"'),
        ):
            assert isinstance(parse(encoded(xml)), Fault)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_once(name: str) -> None:
    raw = encoded(BOMBS[name])
    assert len(raw) <= LONGEST_CHARS
    started = time.perf_counter()
    assert parse(raw) in {Fault.UNREADABLE, Fault.SIGNATURE}
    assert time.perf_counter() - started < 0.1


def test_the_longest_token_with_a_digest_that_holds_is_read_at_once() -> None:
    many = "<AttributeValue></AttributeValue>" * 5_000
    raw = changed('<Attribute Name="Scopes" NameFormat="urn:x-personium:xmlns">', f'<Attribute Name="Scopes">{many}')
    assert len(raw) > LONGEST_CHARS // 1.3
    started = time.perf_counter()
    assert len(read(raw).assertion.scopes) == 5_001
    assert time.perf_counter() - started < 0.2
