"""The sandbox's version of X's media endpoints, and X's error bodies."""

from __future__ import annotations

import base64

from digestbot.platforms.sandbox_http import Answer, Request
from digestbot.platforms.sandbox_world import Faults, UploadedPicture, World

IMAGE_BYTES = 5 * 2**20


def problem(status: int, detail: str, title: str = "", type_: str = "about:blank", **more: object) -> Answer:
    """Return an error answer in X's problem format."""
    titles = {400: "Invalid Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}
    body = {"detail": detail, "type": type_, "title": title or titles.get(status, "Error"), "status": status} | more
    return Answer(status, body)


def invalid(message: str, **parameters: list[str]) -> Answer:
    """Return a 400 answer that names the invalid parameter."""
    return problem(
        400,
        "One or more parameters to your request was invalid.",
        type_="https://api.x.com/2/problems/invalid-request",
        errors=[{"message": message, "parameters": parameters}],
    )


class MediaUploads:
    """The endpoints under /2/media/: pictures and their alt texts."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world, self.faults = world, faults

    def upload(self, request: Request, _user: str) -> Answer:
        """Handle POST /2/media/upload in one request, as multipart or as base64 in JSON."""
        if "media" in request.files:
            kind, content = request.files["media"]
        elif request.json and isinstance(request.json.get("media"), str):
            if set(request.json) - {"media", "media_category", "additional_owners"}:
                return invalid("Additional properties are not allowed.", media=[])
            content = base64.b64decode(str(request.json["media"]))
            kind = "image/jpeg" if content.startswith(b"\xff\xd8") else "image/png"
        else:
            return invalid("media is required", media=[])
        if self.faults.refuse_pictures:
            return invalid("media type unrecognized.", media=[])
        if len(content) > IMAGE_BYTES:
            return invalid("File size exceeds 5242880 bytes.", media=[])
        return self._keep(UploadedPicture(self.world.new_id(), content, kind))

    def _keep(self, picture: UploadedPicture) -> Answer:
        self.world.pictures[picture.id] = picture
        data = {
            "id": picture.id,
            "media_key": f"3_{picture.id}",
            "size": len(picture.content),
            "expires_after_secs": 86400,
        }
        return Answer(200, {"data": data})

    def initialize(self, request: Request, _user: str) -> Answer:
        """Handle POST /2/media/upload/initialize."""
        kind = str((request.json or {}).get("media_type", "image/png"))
        return self._keep(UploadedPicture(self.world.new_id(), b"", kind, done=False))

    def append(self, request: Request, _user: str, id_: str) -> Answer:
        """Handle POST /2/media/upload/:id/append."""
        picture = self.world.pictures.get(id_)
        if picture is None:
            return problem(404, "Not Found")
        if "media" in request.files:
            picture.content += request.files["media"][1]
        elif request.json and isinstance(request.json.get("media"), str):
            picture.content += base64.b64decode(str(request.json["media"]))
        return Answer(200, {"data": {"expires_at": int(self.world.clock()) + 86400}})

    def finalize(self, _request: Request, _user: str, id_: str) -> Answer:
        """Handle POST /2/media/upload/:id/finalize."""
        picture = self.world.pictures.get(id_)
        if picture is None:
            return problem(404, "Not Found")
        picture.done = True
        return self._keep(picture)

    def upload_status(self, request: Request, _user: str) -> Answer:
        """Handle GET /2/media/upload?command=STATUS."""
        picture = self.world.pictures.get(request.query.get("media_id", ""))
        if picture is None:
            return problem(404, "Not Found")
        state = "succeeded" if picture.done else "pending"
        return Answer(
            200, {"data": {"id": picture.id, "media_key": f"3_{picture.id}", "processing_info": {"state": state}}}
        )

    def metadata(self, request: Request, _user: str) -> Answer:
        """Handle POST /2/media/metadata, which sets the alt text."""
        body = request.json or {}
        picture = self.world.pictures.get(str(body.get("id")))
        if picture is None:
            return invalid("The media ID is invalid.", id=[str(body.get("id"))])
        metadata = body.get("metadata")
        alt = metadata.get("alt_text") if isinstance(metadata, dict) else None
        text = str(alt.get("text", "")) if isinstance(alt, dict) else ""
        if len(text) > 1000:
            return invalid("alt_text must be at most 1000 characters", alt_text=[text])
        picture.alt_text = text
        return Answer(200, {"data": {"id": picture.id, "associated_metadata": {"alt_text": {"text": text}}}})
