"""What can go wrong, with the answer each failure gets.

    GateError
    ├── BadRequest               400  bad_request
    │   ├── BadTarget            400  bad_target           the address itself
    │   └── BadParameter         400  bad_parameter        w, h, fit, format, q, preset, dl
    ├── Unauthorized             401  unauthorized         no usable credential
    ├── Forbidden                403  forbidden
    │   ├── BadSignature         403  bad_signature        also: expired, unknown key
    │   └── RefusedOrigin        403  refused_origin       fetch policy, CSRF, CORS
    ├── NotFound                 404  not_found            absent and not allowed alike
    ├── MethodNotAllowed         405  method_not_allowed
    ├── PreconditionFailed       412  precondition_failed
    ├── TooLarge                 413  too_large
    │   └── BodyTooLarge         413  body_too_large       of a call, not of a picture
    ├── NotAPicture              415  not_a_picture
    │   └── DamagedPicture       415  damaged_picture      right type, wrong bytes
    ├── RangeNotSatisfiable      416  range_not_satisfiable
    ├── Unprocessable            422  unprocessable        a service call's body
    ├── RenderFailed             500  render_failed        worker died or ran out of time
    └── Unavailable              503  unavailable          Redis away
        └── Busy                 503  busy                 render queue full

The class speaks to the outside: status, stable code, a text fit for strangers.
The instance speaks to the inside: `reason` is a stable slug for the log and `room` says who
refused. Nothing here may ever carry a secret.
"""

from __future__ import annotations

from typing import ClassVar


class GateError(Exception):
    """Root of all expected failures; subclasses fix status, code and public text."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    public: ClassVar[str] = "Something went wrong here."
    #: seconds after which trying again makes sense, or None
    retry_after: ClassVar[int | None] = None

    def __init__(self, reason: str, *, room: str, detail: str | None = None) -> None:
        """Create.

        Args:
            reason: stable slug for log and metrics, such as "expired".
            room: which part refused, such as "auth" or "fetch_policy".
            detail: public text instead of the class's own. Only for mistakes in a caller's own
                input (a parameter, a field); never about a credential.
        """
        super().__init__(reason)
        self.reason = reason
        self.room = room
        self.detail = detail if detail is not None else self.public


class BadRequest(GateError):
    """The request cannot be understood."""

    status = 400
    code = "bad_request"
    public = "The request could not be understood."


class BadTarget(BadRequest):
    """The address is not one that could ever name a picture here."""

    code = "bad_target"
    public = "This is not a well-formed address."


class BadParameter(BadRequest):
    """A variant parameter has a value that means nothing."""

    code = "bad_parameter"
    public = "A parameter of this address has no meaning."


class Unauthorized(GateError):
    """No credential, or none that is alive."""

    status = 401
    code = "unauthorized"
    public = "Sign in to see this."


class Forbidden(GateError):
    """Understood and refused."""

    status = 403
    code = "forbidden"
    public = "This is not allowed."


class BadSignature(Forbidden):
    """A signature that does not hold: wrong, expired, too long-lived or by an unknown key."""

    code = "bad_signature"
    public = "This address is not valid, or not any more."


class RefusedOrigin(Forbidden):
    """The request came from a place or in a manner that is not allowed."""

    code = "refused_origin"
    public = "Pictures are shown only inside the pages they belong to."


class NotFound(GateError):
    """Absent, or not for this session: outside nobody can tell which."""

    status = 404
    code = "not_found"
    public = "There is nothing here for you."


class MethodNotAllowed(GateError):
    """The address exists, but not for this method."""

    status = 405
    code = "method_not_allowed"
    public = "This address does not answer this method."


class PreconditionFailed(GateError):
    """The picture is not in the state that the request demands (RFC 9110 section 13)."""

    status = 412
    code = "precondition_failed"
    public = "This is not the state of the picture that was asked for."


class TooLarge(GateError):
    """More pixels or bytes than the configuration accepts."""

    status = 413
    code = "too_large"
    public = "This picture is larger than this server accepts."


class BodyTooLarge(TooLarge):
    """The body of a call is larger than any sensible one."""

    code = "body_too_large"
    public = "The body of this call is too large."


class NotAPicture(GateError):
    """The bytes are not of an accepted type, whatever the name says."""

    status = 415
    code = "not_a_picture"
    public = "This file is not a picture of an accepted type."


class DamagedPicture(NotAPicture):
    """The type is accepted, but the bytes could not be decoded."""

    code = "damaged_picture"
    public = "This picture is damaged and cannot be shown."


class RangeNotSatisfiable(GateError):
    """No byte of the picture lies in the range asked for (RFC 9110 section 14.4)."""

    status = 416
    code = "range_not_satisfiable"
    public = "The picture has no bytes in this range."

    def __init__(self, content_range: str) -> None:
        """Create, with the Content-Range that tells how long the picture is."""
        super().__init__("range_beyond_end", room="respond")
        self.content_range = content_range


class Unprocessable(GateError):
    """A service call whose body says something impossible."""

    status = 422
    code = "unprocessable"
    public = "The body of this call is not valid."


class RenderFailed(GateError):
    """The worker that made this picture died or ran out of time."""

    code = "render_failed"
    public = "This picture could not be prepared."


class Unavailable(GateError):
    """A part that decides about access cannot be asked right now; nothing is served instead."""

    status = 503
    code = "unavailable"
    public = "Please try again in a moment."
    retry_after = 2


class Busy(Unavailable):
    """All render workers and their queue are taken."""

    code = "busy"
    public = "Many pictures are being prepared. Please try again in a moment."
