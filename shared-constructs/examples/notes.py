"""A service of two routes and one event, and not one function."""

from service_runtime.envelope import PublishedEvent, WireModel
from shared_constructs import ChangeFeed, DomainEvent, ServiceApp, ServiceStack, ServiceTable, StackKind
from shared_constructs.direct_api import PUBLIC, DirectApi, GetItem, Key, PutItem, Scopes, path, text

NOTE_ID = path("noteId", pattern="[a-z0-9]{1,32}")
KEY: Key = {"pk": text("NOTE#", NOTE_ID), "sk": "NOTE"}


class NewNote(WireModel):
    """What a caller sends."""

    title: str


class Note(NewNote):
    """What a caller gets."""

    note_id: str


class NoteChanged(PublishedEvent, major=1):
    """Data of `NoteChanged.v1`."""

    note_id: str
    title: str


class NotesData(ServiceStack):
    """What must survive a redeployment."""

    def __init__(self, app: ServiceApp) -> None:
        super().__init__(app, kind=StackKind.STATEFUL)
        self.notes = ServiceTable(self, "Notes", stream=True)


class NotesService(ServiceStack):
    """What serves and publishes it."""

    def __init__(self, app: ServiceApp, *, notes: ServiceTable) -> None:
        super().__init__(app, kind=StackKind.STATELESS)
        api = DirectApi(self, "Api", description="Notes")
        api.route("GET", "/notes/{noteId}", GetItem(table=notes, key=KEY, response=Note), auth=PUBLIC)
        api.route(
            "PUT",
            "/notes/{noteId}",
            PutItem(table=notes, key=KEY, request=NewNote, values={"noteId": NOTE_ID}),
            auth=Scopes("commerce/operate"),
        )
        changed = DomainEvent(NoteChanged, aggregate_id="noteId")
        ChangeFeed(self, "Changes", table=notes, events=[changed])


app = ServiceApp(service="notes")
NotesService(app, notes=NotesData(app).notes)
app.synth()
