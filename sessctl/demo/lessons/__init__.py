"""The lessons of the demo, in the order in which they are best taken.

Each is a scenario in this folder, the shops that it needs, and a few sentences. What a lesson
teaches stands in its scenario as expectations: it holds, or the lesson fails.
"""

from __future__ import annotations

from sessctl.demo.lessons.lesson import Lesson, Part, Shop
from sessctl.demo.options import ShopOptions
from sessctl.errors import UsageError, did_you_mean

_OWN_SHOP = "the page is the demo shop's own; `sessctl replay new` begins one for your app"
_SETTINGS = "it compares settings that only the demo can change"


def find_lesson(name: str) -> Lesson:
    """The lesson of that name. Raises UsageError."""
    for lesson in LESSONS:
        if lesson.name == name:
            return lesson
    hint = did_you_mean(name, [one.name for one in LESSONS]) or "sessctl demo --list"
    raise UsageError(f"there is no lesson '{name}'", hint=hint)


LESSONS: tuple[Lesson, ...] = (
    Lesson(
        name="stateless-vs-stateful",
        summary="What a page remembers, and what only looks like it",
        look=(
            "The same requests are sent with the browser's cookies and without.",
            "The first page is another one each time, for everybody. The counter and the cart "
            "differ only where the cookie came back.",
        ),
        parts=(
            Part(
                scenario="stateless-vs-stateful",
                told="the counter and the cart depend on the cookie, the stateless page does not",
            ),
        ),
        why="HTTP forgets each request; what a site remembers hangs on something that the browser "
        "sends back.",
        aimed=Part(
            scenario="stateless-vs-stateful-own",
            told="the sentence above says what this page remembers",
        ),
    ),
    Lesson(
        name="plain-and-signed",
        summary="A plain cookie against a signed one, and what tampering does",
        look=(
            "Two counters keep their count in a cookie. One is plain, the other is signed.",
            "Somebody writes a large number into the first, and changes a character of the second.",
        ),
        parts=(
            Part(
                title="plain",
                scenario="plain-and-signed-plain",
                told="the shop counts on from a number that somebody made up",
            ),
            Part(
                title="signed",
                scenario="plain-and-signed",
                told="the changed cookie is refused, and the count starts again",
            ),
        ),
        why="Whatever is in a cookie can be read and rewritten by whoever has it; a signature does "
        "not hide it, it shows whether the shop wrote it.",
        needs=_OWN_SHOP,
    ),
    Lesson(
        name="id-and-data",
        summary="Session id against session data: what connect.sid is",
        look=(
            "Two things go into the cart. The store is shown beside the browser.",
            "The session in the store grows. The cookie stays the same, and has no tea in it.",
        ),
        parts=(
            Part(
                scenario="id-and-data",
                told="the cookie is a signed id, the cart is in the store under it",
                store="sqlite",
                joined=True,
            ),
        ),
        why="connect.sid holds a random id and its signature; everything else stays at the server, "
        "which is why the id is as good as a password.",
        needs="it looks into the demo's store; `sessctl replay FILE -b BACKEND` looks into yours",
    ),
    Lesson(
        name="secret-rotation",
        summary="A new signing secret without logging everybody out",
        look=(
            "Mara comes while the new secret signs and the old one still verifies. Jonas does not.",
            "Afterwards only the new secret counts.",
        ),
        parts=(
            Part(
                scenario="secret-rotation",
                told="who came during the rotation stays known, who did not starts anew",
                shops=(
                    Shop(
                        options=ShopOptions(name="before", max_age_ms=3_600_000), secrets=("old",)
                    ),
                    Shop(
                        options=ShopOptions(name="during", max_age_ms=3_600_000),
                        secrets=("new", "old"),
                    ),
                    Shop(options=ShopOptions(name="after", max_age_ms=3_600_000), secrets=("new",)),
                ),
                store="sqlite",
            ),
        ),
        why="The first secret signs and all verify, so an old one may go when the cookies that it "
        "signed have been replaced or are over.",
        needs=_SETTINGS,
    ),
    Lesson(
        name="resave-saveuninitialized",
        summary="Sessions for nobody, writes for nothing: two settings and what they cost",
        look=(
            "The same four requests, with the store beside them. Look at the front page and at "
            "the cart, which change nothing.",
            "Count the sessions that the requests without cookies leave behind.",
        ),
        parts=(
            Part(
                title="both off",
                scenario="resave-saveuninitialized",
                told="nothing is stored before there is something to remember",
                store="sqlite",
                joined=True,
            ),
            Part(
                title="both on",
                scenario="resave-saveuninitialized-on",
                told="a first look makes a session, and looking writes it again",
                shops=(Shop(options=ShopOptions(resave=True, save_uninitialized=True)),),
                store="sqlite",
                joined=True,
            ),
        ),
        why="Every crawler leaves a session with saveUninitialized, and with resave a slow request "
        "writes back what it read, over what others have changed since.",
        needs=_SETTINGS,
    ),
    Lesson(
        name="max-age",
        summary="A session ends in the cookie and in the store",
        look=(
            "A session of a second and a half. After its end the browser sends no cookie.",
            "Then a copy is sent that ignores the end.",
        ),
        parts=(
            Part(
                scenario="max-age",
                told="the browser drops the cookie, and the server takes no copy of it either",
                shops=(Shop(options=ShopOptions(max_age_ms=1500)),),
                control=False,
            ),
        ),
        why="The end in the cookie is a request to the browser; only the end that the server keeps "
        "is one for everybody.",
        needs="it needs sessions that last a second and a half",
    ),
    Lesson(
        name="rolling",
        summary="Renewal: a cookie that ends later with each response",
        look=(
            "Both cookies last ten seconds. After a pause both visitors only look at their cart.",
            "Where it rolls, the answer brings the same cookie again with a new end.",
        ),
        parts=(
            Part(
                scenario="rolling",
                told="with rolling each response moves the end, without it looking does not",
                shops=(
                    Shop(options=ShopOptions(name="rolling", rolling=True, max_age_ms=10_000)),
                    Shop(options=ShopOptions(name="fixed", max_age_ms=10_000)),
                ),
                control=False,
            ),
        ),
        why="A visitor who only reads changes nothing in the session, so without rolling the "
        "browser drops the cookie in the middle of the visit.",
        needs=_SETTINGS,
    ),
    Lesson(
        name="flash",
        summary="A message that survives one redirect",
        look=(
            "A form is saved and answers with a redirect. The next page shows a message, once.",
            "Without cookies the message never arrives.",
        ),
        parts=(
            Part(
                scenario="flash",
                told="the message is on the next page and on no other",
            ),
        ),
        why="The redirect is a new request that knows nothing of the form, so the message waits in "
        "the session until a page takes it out.",
        needs=_OWN_SHOP,
    ),
    Lesson(
        name="logout",
        summary="Logout destroys a session; one that is kept in the cookie survives it",
        look=(
            "Somebody copies the cookies of a person who is logged in. The person logs out.",
            "The last step is the account page, asked for with the copy.",
        ),
        parts=(
            Part(
                title="session at the server",
                scenario="logout-session",
                told="logout destroys the session, and the copy leads to nothing",
            ),
            Part(
                title="session in the cookie",
                scenario="logout-cookie",
                told="the copy is still logged in",
                shops=(Shop(options=ShopOptions(keep="cookie")),),
            ),
        ),
        why="A server that keeps nothing has nothing to destroy; it can only ask the browser to "
        "forget its cookie, and copies are not asked.",
        aimed=Part(scenario="logout", told="a copy of the cookie leads to nothing after logout"),
    ),
    Lesson(
        name="fixation",
        summary="Session fixation: an id that somebody else chose, and how login mends it",
        look=(
            "Mallory plants a session id of hers in Mara's browser. Mara logs in.",
            "The last step is Mara's account, asked for with Mallory's copy.",
        ),
        parts=(
            Part(
                title="vulnerable",
                scenario="fixation-vulnerable",
                told="Mallory is in Mara's account",
                shops=(Shop(options=ShopOptions(regenerate=False)),),
            ),
            Part(
                title="mended",
                scenario="fixation-mended",
                told="login makes a new id, and Mallory is nobody",
            ),
        ),
        why="Login turns an id that anybody may know into one that opens an account, so it has to "
        "make a new one (express-session: req.session.regenerate).",
        aimed=Part(scenario="fixation", told="an id from before the login opens nothing after it"),
    ),
    Lesson(
        name="race",
        summary="Parallel requests on one session overwrite each other",
        look=(
            "Three requests one after the other add three. Then twenty are sent at once.",
            "Look at the last count: there is no error anywhere.",
        ),
        parts=(
            Part(
                scenario="race",
                told="of twenty requests at once most are lost, without an error",
                control=False,  # how many are lost is chance
            ),
        ),
        why="Each request reads the whole session at its start and writes it whole at its end, and "
        "the last one wins.",
        needs=_OWN_SHOP,
    ),
    Lesson(
        name="restart",
        summary="A restart: memory loses the sessions, SQLite keeps them",
        look=(
            "The shop is restarted between the second visit and the third. The cookie is the same.",
            "Look at the count of the last visit.",
        ),
        parts=(
            Part(
                title="in memory",
                scenario="restart-memory",
                told="the restart has ended every session",
            ),
            Part(
                title="in SQLite",
                scenario="restart",
                told="the count goes on",
                store="sqlite",
            ),
        ),
        why="The cookie is only an id; where what it stands for lives in the app's memory, each "
        "deploy logs everybody out.",
        needs="it restarts the shop; a scenario with `hooks` and --allow-hooks restarts your app",
    ),
    Lesson(
        name="two-instances",
        summary="Two instances behind one address, without and with a shared store",
        look=(
            "Four visits of one browser, to two instances in turn.",
            "With a memory each, neither knows the other's session and both hand out a new one.",
        ),
        parts=(
            Part(
                title="a memory each",
                scenario="two-instances-apart",
                told="nothing is remembered: the counter is as good as stateless",
                shops=(
                    Shop(options=ShopOptions(name="a")),
                    Shop(options=ShopOptions(name="b")),
                ),
            ),
            Part(
                title="one SQLite store",
                scenario="two-instances",
                told="the count goes on at whichever instance",
                shops=(
                    Shop(options=ShopOptions(name="a")),
                    Shop(options=ShopOptions(name="b")),
                ),
                store="sqlite",
            ),
        ),
        why="An id means something only to who has the data, so instances share a store, or the "
        "balancer sends each visitor to the same one.",
        needs="it needs two addresses; a scenario with `instances` names yours",
    ),
    Lesson(
        name="where-it-lives",
        summary="Cookie, localStorage, sessionStorage, session: what a script can read",
        look=(
            "A note in the session, and two cookies: the session's is HttpOnly, the other is not.",
            "Look at what travels with a request. For the storages open /storage of "
            "`sessctl demo --serve` in a browser.",
        ),
        parts=(
            Part(
                scenario="where-it-lives",
                told="only the two cookies travel, and the session is reached through one of them",
            ),
        ),
        why="A script reads localStorage, sessionStorage and cookies without HttpOnly, so what "
        "opens an account belongs behind an HttpOnly cookie, in a session.",
        needs=_OWN_SHOP,
    ),
)

__all__ = ["LESSONS", "Lesson", "Part", "find_lesson"]
