"""Words in the names of columns and tables that speak of a person, by the kind of data they announce.

Names are compared by whole tokens (``customer_id``, ``customerId`` and ``Customer ID`` are the same two),
so that ``manage`` is not an age and ``tailnum`` is nobody's number.
"""

from __future__ import annotations

import re

_PERSON_WORDS = (
    "applicant author beneficiary borrower buyer child citizen client consumer contact customer doctor donor "
    "driver employee guest holder household individual insured member nurse owner passenger patient payer people "
    "person player policyholder purchaser recipient resident respondent sender staff student subject subscriber "
    "teacher tenant traveller user visitor voter worker"
)
PERSON = frozenset(_PERSON_WORDS.split())
_NUMBERS_WORDS = "id no nr num number key code ref uid uuid guid"
NUMBERS = frozenset(_NUMBERS_WORDS.split())

# kind: (phrases that say so, each a run of tokens; class)
NAMED: dict[str, tuple[tuple[str, ...], str]] = {
    "email": (("email", "e mail", "mail address", "email address"), "direct"),
    "phone": (("phone", "telephone", "mobile", "cell phone", "fax", "msisdn", "phone number", "tel"), "direct"),
    "iban": (("iban", "bank account", "account number", "bic iban"), "direct"),
    "card": (("card number", "credit card", "pan number", "ccn", "cc number"), "direct"),
    "ip": (("ip", "ip address", "ipv4", "ipv6", "remote addr", "client ip"), "direct"),
    "person_name": (
        (
            "first name",
            "last name",
            "full name",
            "given name",
            "family name",
            "middle name",
            "maiden name",
            "firstname",
            "lastname",
            "fullname",
            "forename",
            "surname",
        ),
        "direct",
    ),
    "birth": (
        (
            "dob",
            "born",
            "born on",
            "birth date",
            "date of birth",
            "birthdate",
            "birthday",
            "birth year",
            "year of birth",
        ),
        "quasi",
    ),
    "national_id": (
        (
            "ssn",
            "social security",
            "national id",
            "national insurance",
            "nino",
            "passport",
            "passport number",
            "tax id",
            "tin",
            "nhs number",
            "bsn",
            "pesel",
            "cpr number",
            "personnummer",
            "driving licence",
            "driver license",
            "licence number",
            "identity card",
        ),
        "direct",
    ),
    "account": (("username", "user name", "login", "cookie", "session id", "device id", "advertising id"), "direct"),
    "address": (("street", "street address", "home address", "postal address", "address", "addr"), "direct"),
    "age": (("age",), "quasi"),
    "sex": (("sex", "gender"), "quasi"),
    "origin": (("race", "ethnicity", "ethnic group", "ethnic", "nationality", "citizenship"), "sensitive"),
    "belief": (("religion", "religious", "belief", "political party", "union member"), "sensitive"),
    "health": (("health", "disability", "disabled", "diagnosis", "disease", "medication", "hiv"), "sensitive"),
    "family": (("marital", "maritl", "marital status", "married", "children", "dependents"), "quasi"),
    "money": (("salary", "wage", "income", "net worth", "earnings"), "sensitive"),
    "education": (("education", "degree", "schooling"), "quasi"),
    "work": (("occupation", "profession", "jobclass", "job title", "employer"), "quasi"),
    "postcode": (("zip", "zipcode", "zip code", "postcode", "post code", "postal code", "plz"), "quasi"),
    "place": (("city", "town", "village", "region", "birthplace"), "quasi"),
    "coordinates": (("lat", "lon", "lng", "latitude", "longitude", "geo", "gps"), "quasi"),
}
# These speak of a person only beside others that do: airports have places and coordinates too.
ONLY_ABOUT_PEOPLE = frozenset({"postcode", "place", "coordinates", "work", "education", "money", "address"})
_FIRST_NAMES_WORDS = (
    "aisha alejandro alexander alice amanda amina amy ana andrea andrew anna anne anthony antonio ashley barbara "
    "benjamin betty brandon brian carlos carol catherine charles chloe christian christine christopher claire "
    "cynthia daniel david deborah dennis diana diego dimitri donald donna dorothy edward elena elizabeth emily "
    "emma eric eva fatima felix fernando francesco francis frank gary george giulia gloria grace gregory hannah "
    "hans harold heather helen henry hiroshi ibrahim ines irina isabella ivan jack jacob james jan jane janet "
    "jason javier jean jeffrey jennifer jessica joan joao johannes john jonathan jose joseph joshua juan judith "
    "julia julie karen karl katherine kathleen kenneth kevin kimberly larry laura lena leon li linda lisa louis "
    "lucas lucia luis magdalena margaret maria marie mark martin mary matthew mehmet melissa mia michael michelle "
    "miguel mohamed mohammed muhammad nancy natalia nathan nicholas nicole noah nora oliver olivia omar pamela "
    "patricia patrick paul paula pedro peter philip priya rachel rafael raj raymond rebecca richard robert roger "
    "ronald rosa ruth ryan samuel sandra sara sarah scott sergei sharon sofia sophie stefan stephanie stephen "
    "steven susan teresa thomas timothy tomas tyler victoria viktor vincent virginia walter wei wendy william xin "
    "yan yuki yusuf zoe"
)
FIRST_NAMES = frozenset(_FIRST_NAMES_WORDS.split())
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def tokens(name: str) -> list[str]:
    """The words of a name: ``customerId`` and ``customer_id`` give ``customer`` and ``id``."""
    return [part for part in re.split(r"[^a-z0-9]+", _CAMEL.sub(" ", name).lower()) if part]


def kind_of_name(name: str) -> str | None:
    """The kind that a column's name announces, the longest phrase first; none if it says nothing."""
    words = tokens(name)
    best: tuple[int, str] | None = None
    for kind, (phrases, _) in NAMED.items():
        for phrase in phrases:
            parts = phrase.split()
            if _holds(words, parts) and _may_be(kind, words, parts) and (best is None or len(parts) > best[0]):
                best = (len(parts), kind)
    if best is None and _numbers_a_person(words):
        return "account"
    return best[1] if best else None


def class_of(kind: str) -> str:
    """``direct`` names one person, ``quasi`` helps to single one out, ``sensitive`` deserves protection."""
    if kind in NAMED:
        return NAMED[kind][1]
    return "quasi" if kind == "unique" else "direct"


def about_people(name: str) -> bool:
    """Whether a table's or a column's name has a word for a person in it."""
    return any(word in PERSON or word.removesuffix("s") in PERSON for word in tokens(name))


def _holds(words: list[str], parts: list[str]) -> bool:
    return any(words[start : start + len(parts)] == parts for start in range(len(words) - len(parts) + 1))


def _may_be(kind: str, words: list[str], parts: list[str]) -> bool:
    """``age`` of a plane and ``ip`` of a clip are not a person's: other words must be about one."""
    rest = [word for word in words if word not in parts]
    if kind in ("age", "place", "health", "work", "family") and rest:
        return all(word in PERSON or word in _BESIDE for word in rest)
    return True


_BESIDE_WORDS = "years year at status ins insurance group band class code of home birth the level"
_BESIDE = frozenset(_BESIDE_WORDS.split())


def _numbers_a_person(words: list[str]) -> bool:
    return len(words) >= 2 and words[-1] in NUMBERS and any(word in PERSON for word in words[:-1])
