"""Who may open the viewer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracegen_ros.web_viewer.access import AccessError, AccessRules, Verdict, read_hosts, read_token

TOKEN = "a-token-of-length-25-here"
LOCAL = {"Host": "localhost:8080"}
WIDE = {"Host": "robot.lab:8080"}
UPGRADE = {"Upgrade": "websocket"}


def cookie_of(verdict: Verdict) -> str:
    return dict(verdict.headers)["Set-Cookie"].partition(";")[0]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "robot.lab"])
def test_a_wide_host_without_a_token_is_refused_with_a_way_out(host: str) -> None:
    with pytest.raises(AccessError, match=r"needs a token; make one with: python3 .* ssh -L"):
        AccessRules(host, "")
    AccessRules(host, TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_this_machine_alone_needs_no_token(host: str) -> None:
    assert AccessRules(host, "").judge("/", LOCAL).allowed
    assert AccessRules(host, "").judge("/", {"Host": "[::1]:8080"}).allowed


def test_a_foreign_name_for_this_machine_is_refused() -> None:
    assert AccessRules("127.0.0.1", "").judge("/", {"Host": "evil.example:8080"}).status == 403
    assert AccessRules("127.0.0.1", "").judge("/", {}).status == 403


def test_another_sites_page_cannot_open_the_web_socket_even_with_the_cookie() -> None:
    for rules, host in ((AccessRules("127.0.0.1", ""), LOCAL), (AccessRules("0.0.0.0", TOKEN), WIDE)):
        entry = rules.judge(f"/?token={TOKEN}", host)
        cookie = {"Cookie": cookie_of(entry)} if rules.token else {}
        own = {"Origin": f"http://{host['Host']}"}
        assert rules.judge("/", host | UPGRADE | cookie | own).allowed
        for origin in ("https://evil.example", "null", "http://localhost:3000"):
            assert rules.judge("/", host | UPGRADE | cookie | {"Origin": origin}).status == 403


def test_the_token_is_traded_for_a_cookie_and_leaves_the_address() -> None:
    rules = AccessRules("0.0.0.0", TOKEN)
    entry = rules.judge(f"/?token={TOKEN}", WIDE)
    headers = dict(entry.headers)
    assert (entry.status, headers["Location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Strict"} <= set(headers["Set-Cookie"].split("; "))
    assert TOKEN not in headers["Set-Cookie"]
    assert rules.judge("/", WIDE | {"Cookie": f"other=1; {cookie_of(entry)}"}).allowed
    assert rules.judge("/", WIDE | UPGRADE | {"Cookie": cookie_of(entry)}).allowed


def test_a_reverse_proxy_s_name_is_answered_where_it_is_allowed_and_the_token_known() -> None:
    proxied = {"Host": "Robot.Example"}
    rules = AccessRules("127.0.0.1", TOKEN, read_hosts("other.example, ROBOT.example"))
    assert AccessRules("127.0.0.1", TOKEN).judge("/", proxied).status == 403
    assert rules.judge("/", proxied).status == 401
    cookie = {"Cookie": cookie_of(rules.judge(f"/?token={TOKEN}", proxied))}
    own = {"Origin": "https://Robot.Example"}
    assert rules.judge("/", proxied | UPGRADE | cookie | own).allowed
    assert rules.judge("/", LOCAL | cookie).allowed
    assert rules.judge("/", proxied | UPGRADE | cookie | {"Origin": "https://evil.example"}).status == 403
    for host in ("evil.example", "robot.example.evil.example", "x.robot.example"):
        assert rules.judge("/", {"Host": host} | cookie).status == 403
        assert AccessRules("0.0.0.0", TOKEN, rules.allowed_hosts).judge("/", {"Host": host}).status == 403


def test_names_are_not_allowed_without_a_token_nor_addresses_of_pages() -> None:
    with pytest.raises(AccessError, match=r"under other names, robot\.example, it needs a token"):
        AccessRules("127.0.0.1", "", read_hosts("robot.example"))
    for wrong in ("https://robot.example", "robot.example:8080", "*", "a b"):
        with pytest.raises(AccessError, match=r"allowed_hosts takes names as in robot\.example"):
            read_hosts(wrong)
    assert read_hosts(" , ") == frozenset()


@pytest.mark.parametrize(
    "path", ["/", "/\\evil.example", "//evil.example", "////evil.example", "/\t/evil.example/x"]
)
def test_the_token_leads_to_this_page_and_no_other_site(path: str) -> None:
    entry = AccessRules("0.0.0.0", TOKEN).judge(f"{path}?token={TOKEN}", WIDE)
    assert (entry.status, dict(entry.headers)["Location"]) == (303, "/")


@pytest.mark.parametrize(
    "headers", [{}, UPGRADE, {"Cookie": "tracegen_viewer=" + 64 * "0"}, {"Cookie": "\x00;="}]
)
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", f"?token={TOKEN}x", f"?token={TOKEN[:-1]}"])
def test_without_the_token_neither_page_nor_web_socket_opens(headers: dict[str, str], query: str) -> None:
    assert AccessRules("0.0.0.0", TOKEN).judge(f"/{query}", WIDE | headers).status == 401


def test_a_token_given_on_this_machine_is_asked_for_too() -> None:
    assert AccessRules("127.0.0.1", TOKEN).judge("/", LOCAL).status == 401


def test_a_cookie_for_another_token_is_worthless() -> None:
    cookie = cookie_of(AccessRules("0.0.0.0", TOKEN + "2").judge(f"/?token={TOKEN}2", WIDE))
    assert AccessRules("0.0.0.0", TOKEN).judge("/", WIDE | {"Cookie": cookie}).status == 401


def test_token_files_that_do_not_protect_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(AccessError, match="cannot read the viewer's token file"):
        read_token(str(file))
    for text in ("", "short\n", "two words of good length", "ünïcödé-tökén-lông"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(AccessError, match="one ASCII word of 16 characters or more"):
            read_token(str(file))
    file.write_text(TOKEN + "\n")
    assert read_token(str(file)) == TOKEN
    assert read_token("") == ""
