# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of many objects in few calls, with the PropertyCollector; nobody reads them one by one.

A row is a dict of property path to value, as far as the object has it. References to objects are their ids. Source:
"PropertyCollector" in the vSphere Web Services API, RetrievePropertiesEx and ContinueRetrievePropertiesEx.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from .session import Session
from .streaming import Page, Streaming, plain

Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = dict[str, dict[str, Row]]  # by type, then by id
Paths: TypeAlias = Mapping[str, Collection[str]]  # of each type of object
PAGE = 1000  # objects in one answer: enough that pages do not count, few enough that one is no burden


def read_all(session: Session, paths: Paths) -> Rows:
    """Read every object of these types that the account may see: two calls, and one for each further page.

    The view is not destroyed, which would be a call more: it ends with the session, and that with the task.
    """
    vim = session.vim
    types = [getattr(vim, kind) for kind in paths]

    def read() -> Rows:
        collector = session.vmodl.query.PropertyCollector
        view = session.content.viewManager.CreateContainerView(session.content.rootFolder, types, recursive=True)
        step = collector.TraversalSpec(name="all", type=vim.view.ContainerView, path="view", skip=False)
        try:
            return retrieve(session, [collector.ObjectSpec(obj=view, selectSet=[step], skip=True)], paths)
        except session.vmodl.fault.ManagedObjectNotFound as error:
            if getattr(error.obj, "_moId", None) != id_of(view):
                raise
            raise session.vim.fault.NotAuthenticated from error  # a view goes with its session alone

    return session.call("reading the inventory", read)


def read_some(session: Session, kind: str, ids: Iterable[str], paths: Paths, along: Collection[str] = ()) -> Rows:
    """Read objects by id and those that they lead to, in one call; one that is gone costs another call.

    `along` are the paths of references to follow; from there, as from the objects, it goes up to the root.
    """
    left = list(dict.fromkeys(ids))

    def read() -> Rows:
        while left:
            try:
                return attempt()
            except session.vmodl.fault.ManagedObjectNotFound as error:
                gone = getattr(error.obj, "_moId", None)
                if gone not in left:
                    raise
                left.remove(gone)
        return {}

    def attempt() -> Rows:
        collector = session.vmodl.query.PropertyCollector
        make = getattr(session.vim, kind)
        again = [collector.SelectionSpec(name="parent")]
        up = collector.TraversalSpec(
            name="parent", type=session.vim.ManagedEntity, path="parent", skip=False, selectSet=again
        )
        aside = [
            collector.TraversalSpec(name=path, type=make, path=path, skip=False, selectSet=again) for path in along
        ]
        starts = [collector.ObjectSpec(obj=make(one, session.stub), selectSet=[up, *aside], skip=False) for one in left]
        return retrieve(session, starts, paths)

    return session.call("reading", read)


def retrieve(session: Session, starts: list[Any], paths: Paths) -> Rows:
    """Follow the pages of one question to the property collector.

    Raises NotAuthenticated also where a session that has expired answers with objects that have no properties: that
    is no fleet of empty machines.
    """
    query = session.vmodl.query.PropertyCollector
    collector = query(id_of(session.content.propertyCollector), Streaming(session.stub))
    wanted = [
        query.PropertySpec(type=getattr(session.vim, kind), pathSet=list(names), all=False)
        for kind, names in paths.items()
    ]
    question = query.FilterSpec(objectSet=starts, propSet=wanted)
    rows: Rows = {}
    answer = collector.RetrievePropertiesEx([question], query.RetrieveOptions(maxObjects=PAGE))
    while answer:
        for kind, thing, row in objects_of(session, answer):
            rows.setdefault(kind, {})[thing] = row
        answer = answer.token and collector.ContinueRetrievePropertiesEx(answer.token)
    return rows


def objects_of(session: Session, answer: Any) -> Iterator[tuple[str, str, Row]]:
    """Return type, id and properties of each object in an answer; what the account may not read is missing."""
    if isinstance(answer, Page):
        yield from answer.objects
        return
    for found in answer.objects:
        for missing in found.missingSet or ():
            if isinstance(missing.fault, session.vim.fault.NotAuthenticated):
                raise missing.fault
        yield kind_of(found.obj), id_of(found.obj), {one.name: plain(one.val) for one in found.propSet or ()}


def kind_of(reference: Any) -> str:
    """Return the type of an object as vSphere names it."""
    return str(type(reference).__name__).rpartition(".")[2]


def id_of(reference: Any) -> str:
    """Return the id of an object of vSphere's, unique in its vCenter: the value of the managed object reference."""
    return str(reference._moId)  # noqa: SLF001 - pyvmomi has no other name for it
