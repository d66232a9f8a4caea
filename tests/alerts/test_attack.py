"""ATT&CK techniques and tactics of tags."""

from summit.alerts.attack import TACTICS, TECHNIQUES, tactics_of, techniques_of


def test_the_table_names_known_tactics_only() -> None:
    assert len(TACTICS) == 14
    for technique, (name, tactics) in TECHNIQUES.items():
        assert technique.startswith("T")
        assert technique[1:].isdecimal()
        assert len(technique) == 5
        assert name
        assert 0 < len(set(tactics) & set(TACTICS)) == len(tactics)


def test_tags_that_are_none_give_none() -> None:
    assert techniques_of(["attack.t12", "attack.t1110.1", "t1110", "attack.g0001", ""]) == []
    assert tactics_of(["credential-access", "attack.nothing"]) == ()


def test_a_technique_that_is_not_in_the_table_keeps_its_id() -> None:
    (found,) = techniques_of(["attack.t9999", "attack.T9999"])
    assert (found.id, found.name, found.tactics) == ("T9999", "", ())


def test_techniques_and_tactics_in_the_matrix_order() -> None:
    tags = ["attack.exfiltration", "attack.t1078.004", "attack.credential-access"]
    assert [t.id for t in techniques_of(tags)] == ["T1078.004"]
    assert tactics_of(tags) == (
        "initial-access", "persistence", "privilege-escalation", "defense-evasion",
        "credential-access", "exfiltration",
    )  # fmt: skip
