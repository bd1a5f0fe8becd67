"""Conversations about accounts: who is accepted, and what sockets know of their users."""

from __future__ import annotations

from hypothesis import strategies as st

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.conversations import parts
from labs.genuine.comparison.steps import Close, Connect, Conversation, Get, Post, Step, Text

ORIGIN = {"Origin": "http://localhost"}


def account(client: str, name: str) -> Conversation:
    """Log *client* in as *name*, with a new account."""
    form = {"name": name, "password": f"secret of {name}"}
    return (Post(client, "/signup/", form), Post(client, "/login/", form))


USERS: Conversation = (*account("ann", "ann"), *account("bob", "bob"))

MEMBERS_MEET: Conversation = (
    *USERS,
    Connect("ann", "/members/close/"),
    Connect("bob", "/members/reject/"),
    Text("ann", "hello"),
    Text("bob", "👋🏽"),
    Post("bob", "/logout/"),
    Text("bob", "still known to this socket"),
    Close("bob"),
    Connect("bob", "/members/reject/"),
    Text("ann", "alone"),
)

STRANGERS_ARE_REFUSED: Conversation = (
    *account("ann", "ann"),
    Connect("ann", "/members/close/"),
    Connect("bob", "/members/close/"),
    Connect("bob", "/members/reject/"),
    Connect("bob", "/members/deny/", ORIGIN),
    Connect("bob", "/members/elsewhere/"),
    Text("bob", "let in by the default, shown out here"),
    Text("ann", "who was that?"),
)

ORIGINS: Conversation = (
    *account("ann", "ann"),
    Connect("ann", "/members/deny/"),
    Connect("ann", "/members/deny/", {"Origin": "null"}),
    Connect("ann", "/members/deny/", ORIGIN),
    Text("ann", "from a page of ours"),
)

WRONG_FORMS: Conversation = (
    Post("ann", "/signup/", {"name": "ann"}),
    *account("ann", "ann"),
    Post("bob", "/signup/", {"name": "ann", "password": "x"}),
    Post("bob", "/login/", {"name": "ann", "password": "x"}),
    Connect("bob", "/members/close/"),
    Post("bob", "/password/", {"password": "x"}),
)

A_PASSWORD_CHANGES: Conversation = (
    *account("ann", "ann"),
    *account("bob", "bob"),
    Connect("ann", "/members/close/"),
    Connect("bob", "/members/close/"),
    Post("ann", "/password/", {"password": "another"}),
    Text("bob", "are you still there?"),
    Text("ann", "not any more"),
    Connect("ann", "/members/close/"),
    Text("ann", "again"),
)

WHO_AM_I: Conversation = (
    Connect("ann", "/whoami/"),
    Close("ann"),
    *account("ann", "ann"),
    Connect("ann", "/whoami/"),
    Text("ann", "and now?"),
    Connect("bob", "/transfer/"),
    Text("bob", "who?"),
    Close("ann"),
    Connect("ann", "/transfer/"),
    Text("ann", "who?"),
)

COLOURS: Conversation = (
    Connect("bob", "/colour/"),
    Text("bob", "red"),
    Post("ann", "/colour/", {"colour": "green"}),
    Connect("ann", "/colour/"),
    Text("ann", "blue"),
    Get("ann", "/colour/"),
    Post("ann", "/colour/", {"colour": "grün"}),
    Text("ann", "👋🏽"),
    Get("ann", "/colour/"),
    Get("bob", "/colour/"),
)

BOTH_SESSIONS: Conversation = (
    Connect("bob", "/both/"),
    Text("bob", "nobody"),
    *account("ann", "ann"),
    Connect("ann", "/both/"),
    Post("ann", "/colour/", {"colour": "green"}),
    Text("ann", "which?"),
    Close("ann"),
    Connect("ann", "/both/"),
    Post("ann", "/logout/"),
    Text("ann", "and now?"),
)

names = st.sampled_from(("ann", "bob"))
colours = st.sampled_from(("red", "grün", "", "👋🏽"))
logs_out: st.SearchStrategy[Step] = parts.posts("/logout/")
logs_in: st.SearchStrategy[Step] = st.builds(
    lambda client, name: Post(client, "/login/", {"name": name, "password": f"secret of {name}"}),
    parts.clients,
    names,
)
members: st.SearchStrategy[Connect] = st.builds(
    Connect,
    parts.clients,
    st.sampled_from(("/members/close/", "/members/reject/", "/members/deny/")),
    st.sampled_from((ORIGIN, ORIGIN, {})),
)

APPLICATIONS = (
    Application(
        name="login",
        package="login",
        routing="login.routing.channel_routing",
        shows="accounts: logging in and out, and access to rooms",
        recorded={
            "members meet": MEMBERS_MEET,
            "strangers are refused": STRANGERS_ARE_REFUSED,
            "origins": ORIGINS,
            "wrong forms": WRONG_FORMS,
            "a password changes": A_PASSWORD_CHANGES,
            "who am I": WHO_AM_I,
            "colours": COLOURS,
            "both sessions": BOTH_SESSIONS,
        },
        random=parts.conversations(
            st.one_of(
                members,
                members,
                parts.connects("/whoami/", "/colour/", "/both/", "/transfer/", "/members/"),
            ),
            logs_in,
            logs_out,
            parts.texts(parts.words),
            parts.texts(parts.words),
            parts.posts("/colour/", colour=colours),
            parts.gets("/colour/"),
            before=USERS,
        ),
        urls="login.urls",
    ),
)
