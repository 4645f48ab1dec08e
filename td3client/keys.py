"""Operations on API keys and projects, for their administrators."""

from collections.abc import Sequence

from td3client.ids import key_path, project_path
from td3client.requests import Requests, given
from td3client.resources import CreatedKey, Key, KeyPage, Project, ProjectPage

KEYS, PROJECTS = "/v1/keys", "/v1/projects"


class Keys:
    """`Client.keys`: the keys of the project of the client's own key or, with `platform`, of another `project`."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def create(
        self,
        name: str,
        *,
        role: str | None = None,
        scopes: Sequence[str] | None = None,
        expires_in_days: float | None = None,
        project: str | None = None,
    ) -> CreatedKey:
        """Create a key with a role or with scopes; its text, `key`, is in this answer alone.

        The request is not sent again if no answer comes, because it would create another key.
        """
        fields = given(
            name=name,
            role=role,
            scopes=None if scopes is None else list(scopes),
            expires_in_days=expires_in_days,
        )
        return self._requests.call(CreatedKey, "POST", KEYS, json=fields, params=given(project=project))

    def list(self, *, limit: int = 50, cursor: str | None = None, project: str | None = None) -> KeyPage:
        """Get a page of the keys of the project, newest first, with those that are no longer valid."""
        return self._requests.page(KeyPage, KEYS, limit=limit, cursor=cursor, project=project)

    def get(self, key_id: str, *, project: str | None = None) -> Key:
        """Get a key, without its text."""
        return self._requests.call(Key, "GET", key_path(key_id), params=given(project=project))

    def rotate(
        self,
        key_id: str,
        *,
        overlap_seconds: float | None = None,
        expires_in_days: float | None = None,
        project: str | None = None,
    ) -> CreatedKey:
        """Create a key of the same name and scopes; the former one stays valid for a week, or for this long."""
        fields = given(overlap_seconds=overlap_seconds, expires_in_days=expires_in_days)
        return self._requests.call(
            CreatedKey, "POST", f"{key_path(key_id)}/rotate", json=fields, params=given(project=project)
        )

    def revoke(self, key_id: str, *, project: str | None = None) -> None:
        """End the validity of a key at once."""
        self._requests.end(key_path(key_id), params=given(project=project))


class Projects:
    """`Client.projects`, for keys with the scope `platform`."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def create(self, name: str) -> Project:
        """Create a project. The request is not sent again if no answer comes."""
        return self._requests.call(Project, "POST", PROJECTS, json={"name": name})

    def list(self, *, limit: int = 50, cursor: str | None = None) -> ProjectPage:
        """Get a page of all projects, newest first."""
        return self._requests.page(ProjectPage, PROJECTS, limit=limit, cursor=cursor)

    def get(self, project_id: str) -> Project:
        """Get a project."""
        return self._requests.call(Project, "GET", project_path(project_id))
