"""Conversations about blogs: posts and readers."""

from __future__ import annotations

from hypothesis import strategies as st

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.conversations import parts
from labs.genuine.comparison.steps import Close, Connect, Conversation, Get, Post, Text

READERS_SEE_POSTS: Conversation = (
    Post("ann", "/news/", {"body": "the first"}),
    Connect("bob", "/liveblog/news/stream/"),
    Connect("cem", "/liveblog/news/stream/"),
    Post("ann", "/news/", {"body": 'the second, <b>bold</b> & "quoted", isn\'t it'}),
    Post("ann", "/news/1/", {"body": "the first, corrected 👋🏽"}),
    Close("cem"),
    Post("ann", "/news/", {"body": "for bob"}),
    Get("ann", "/news/"),
)

TWO_BLOGS: Conversation = (
    Post("ann", "/news/", {"body": "news"}),
    Post("ann", "/sport/", {"body": "sport"}),
    Connect("bob", "/liveblog/news/stream/"),
    Connect("cem", "/liveblog/sport/stream/"),
    Post("ann", "/sport/", {"body": "one goal"}),
    Post("ann", "/news/2/", {"body": "of the other blog"}),
    Post("ann", "/sport/2/", {"body": "no goal"}),
    Get("ann", "/sport/"),
)

NO_SUCH_BLOG: Conversation = (
    Connect("bob", "/liveblog/news/stream/"),
    Get("ann", "/news/1/"),
    Post("ann", "/news/", {"body": "there it is"}),
    Connect("bob", "/liveblog/news/stream/"),
    Post("ann", "/news/1/", {}),
)

READERS_ARE_SILENT: Conversation = (
    Post("ann", "/news/", {"body": ""}),
    Connect("bob", "/liveblog/news/stream/"),
    Text("bob", "may I say something?"),
    Connect("cem", "/liveblog/news/"),
    Text("cem", "anybody?"),
    Post("ann", "/news/", {"body": "no"}),
)

writes = parts.posts("/news/", body=parts.words)

APPLICATIONS = (
    Application(
        name="liveblog",
        package="liveblog",
        routing="liveblog.routing.channel_routing",
        shows="models that send to readers of a page when they are saved",
        recorded={
            "readers see posts": READERS_SEE_POSTS,
            "two blogs": TWO_BLOGS,
            "no such blog": NO_SUCH_BLOG,
            "readers are silent": READERS_ARE_SILENT,
        },
        random=parts.conversations(
            parts.connects(
                "/liveblog/news/stream/", "/liveblog/news/stream/", "/liveblog/sport/stream/"
            ),
            writes,
            writes,
            parts.posts("/sport/", body=parts.words),
            parts.posts("/news/1/", body=parts.words),
            parts.posts("/sport/2/", body=st.just("changed")),
            parts.gets("/news/", "/sport/"),
            parts.texts(parts.words),
        ),
        tables=("liveblog_blog", "liveblog_post"),
        urls="liveblog.urls",
    ),
)
