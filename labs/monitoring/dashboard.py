"""Makes the dashboard for Grafana: ``python -m labs.monitoring.dashboard`` writes its template.

Grafana's own library builds it, so that names and values of all fields are those that Grafana
expects. A test compares the template with what this makes.
"""

from __future__ import annotations

from collections.abc import Iterable

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as values
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    GridPos,
    Threshold,
    ThresholdsMode,
    VariableHide,
    VariableOption,
    VariableRefresh,
)
from grafana_foundation_sdk.models.dashboard import Panel as PanelModel

from labs.harness.project import ROOT
from labs.monitoring.panels import ROWS
from labs.monitoring.panels.panel import Kind, Panel, Query, Row

FILE = ROOT / "channels_workers/scaffold/templates/deploy/monitoring/dashboard.json"

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

#: The heights of numbers and of graphs, in Grafana's unit of 30 pixels.
NUMBER, GRAPH = 4, 8
WIDTH = 24

COLOURS = ("yellow", "red")


def build() -> str:
    """Return the dashboard as JSON, in which ``@name@`` stands for the project."""
    dashboard = (
        builders.Dashboard("@name@: channels_workers")
        .uid("@name@-channels-workers")
        .description("Sockets, workers, Redis and tasks of @name@.")
        .tags(["channels_workers", "django"])
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(source_variable())
        .with_variable(job_variable())
        .annotation(alert_annotation())
    )
    identifier, top = 1, 0
    for row in ROWS:
        dashboard.with_row(builders.Row(row.title).id(identifier).grid_pos(place(0, top, WIDTH, 1)))
        for panel, position in laid_out(row, top + 1):
            identifier += 1
            dashboard.with_panel(graph(panel, identifier, position))
            top = max(top, position.y + position.h)
        identifier += 1
    return JSONEncoder(sort_keys=True, indent=1).encode(dashboard.build()) + "\n"


def source_variable() -> builders.DatasourceVariable:
    """Return the choice of a Prometheus."""
    return builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus")


def job_variable() -> builders.QueryVariable:
    """Return the choice of a site."""
    return (
        builders.QueryVariable("job")
        .label("Site")
        .datasource(SOURCE)
        .query("label_values(channels_workers_process_info, job)")
        .current(VariableOption(selected=True, text="@name@", value="@name@"))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .hide(VariableHide.DONT_HIDE)
    )


def alert_annotation() -> builders.AnnotationQuery:
    """Return the marks of alerts that fired."""
    return (
        builders.AnnotationQuery()
        .name("Alerts")
        .datasource(SOURCE)
        .enable(True)
        .icon_color("red")
        .expr('ALERTS{job="$job", alertstate="firing"}')
    )


def laid_out(row: Row, top: int) -> Iterable[tuple[Panel, GridPos]]:
    """Yield the panels of *row* with their places, from the left to the right and downwards."""
    left = 0
    for panel in row.panels:
        height = NUMBER if panel.kind is Kind.NUMBER else GRAPH
        yield panel, place(left, top, panel.width, height)
        left += panel.width
        if left >= WIDTH:
            left, top = 0, top + height


def place(x: int, y: int, width: int, height: int) -> GridPos:
    """Return a place in the grid of Grafana, which has 24 columns."""
    return GridPos(h=height, w=width, x=x, y=y)


def graph(panel: Panel, identifier: int, position: GridPos) -> Builder[PanelModel]:
    """Return *panel* for Grafana."""
    made = number(panel) if panel.kind is Kind.NUMBER else lines(panel)
    for reference, query in zip("ABCDEFGH", panel.queries, strict=False):
        made.with_target(target(query, reference))
    made.title(panel.title).description(panel.description).unit(panel.unit)
    return made.datasource(SOURCE).id(identifier).grid_pos(position)


def target(query: Query, reference: str) -> prometheus.Dataquery:
    """Return *query* for Grafana."""
    return (
        prometheus.Dataquery()
        .datasource(SOURCE)
        .expr(query.expression)
        .legend_format(query.legend)
        .range()
        .ref_id(reference)
    )


def number(panel: Panel) -> stat.Panel:
    """Return a panel with one number, coloured by the limits of *panel*."""
    steps = [Threshold(value=None, color="green")]
    steps += [
        Threshold(value=limit, color=colour)
        for limit, colour in zip(panel.limits, COLOURS, strict=False)
    ]
    limits = builders.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    return (
        stat.Panel()
        .thresholds(limits)
        .graph_mode(values.BigValueGraphMode.AREA)
        .color_mode(values.BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def lines(panel: Panel) -> timeseries.Panel:
    """Return a panel with lines, or areas on top of each other."""
    made = (
        timeseries.Panel()
        .min(0)
        .line_width(1)
        .fill_opacity(70 if panel.kind is Kind.AREAS else 10)
        .show_points(values.VisibilityMode.NEVER)
        .tooltip(common.VizTooltipOptions().mode(values.TooltipDisplayMode.MULTI))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(values.LegendDisplayMode.LIST)
            .placement(values.LegendPlacement.BOTTOM)
        )
    )
    if panel.kind is Kind.AREAS:
        made.stacking(common.StackingConfig().mode(values.StackingMode.NORMAL))
    return made


def write() -> None:
    """Write the template."""
    FILE.write_text(build())


if __name__ == "__main__":
    write()
