"""What the headers of a request to luigid say about where it comes from: another site's page, our own, a proxy."""

from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

API = "/api/"
"""Where luigid's methods are: `/api/METHOD`."""
SAME_SITE = ("same-origin", "none")
"""What a browser says of a request (Sec-Fetch-Site) of luigid's own page, and of one that a person typed in."""
PROXY_HEADERS = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
"""Headers of which proxies add at least one."""


def find_host(header: str) -> str:
    """The name in a Host header, without its port and in lower case; "" where there is none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_foreign(request: HTTPServerRequest) -> bool:
    """Whether a page of another site had the browser send a request. A link to one of luigid's pages does no harm."""
    headers = request.headers
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        opens_page = headers.get("Sec-Fetch-Mode") == "navigate" and request.method == "GET"
        return site not in SAME_SITE and not (opens_page and not request.path.startswith(API))
    origin = headers.get("Origin") or (headers.get("Referer") if request.path.startswith(API) else None)
    return origin is not None and not _is_own(origin, request)


def is_of_own_page(request: HTTPServerRequest) -> bool:
    """Whether there is a sign that luigid's own page had the browser send a request.

    New browsers say so. Others name the page, or, if told not to, send at least the header that the page's script adds:
    other sites cannot add one, and neither can a link in a mail or an address that somebody is asked to open.
    """
    headers = request.headers
    if "Sec-Fetch-Site" in headers:
        return headers["Sec-Fetch-Site"] == "same-origin"
    for name in ("Origin", "Referer"):
        if name in headers:
            return _is_own(headers[name], request)
    return bool(headers.get("X-Requested-With"))


def is_of_proxy(request: HTTPServerRequest) -> bool:
    """Whether a proxy handed on a request, so that its connection does not say whose it is."""
    return any(name in request.headers for name in PROXY_HEADERS)


def _is_own(url: str, request: HTTPServerRequest) -> bool:
    """Whether a URL, or an origin, is of the host that a request asks."""
    try:
        return urlsplit(url).netloc.lower() == request.headers.get("Host", "").lower() != ""
    except ValueError:
        return False
