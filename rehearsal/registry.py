"""All steps, in the order in which they are played."""

from __future__ import annotations

from rehearsal.step import Step
from rehearsal.steps.building import Boot, Build, Environment, Files, ReleasePhase, Services
from rehearsal.steps.crowding import Crowded
from rehearsal.steps.deploying import RollBack, TwoApps, WorkerCode
from rehearsal.steps.limits import Limits
from rehearsal.steps.memory import Memory
from rehearsal.steps.restarting import (
    ConfigVars,
    Daily,
    DatabaseMaintenance,
    RedisMaintenance,
    Scale,
    WebRestart,
)
from rehearsal.steps.talking import Idle, Talk

STEPS: tuple[Step, ...] = (
    Files(),
    Environment(),
    Services(),
    Build(),
    ReleasePhase(),
    Boot(),
    Talk(),
    ConfigVars(),
    Scale(),
    WebRestart(),
    Daily(),
    Crowded(),
    RedisMaintenance(),
    DatabaseMaintenance(),
    Idle(),
    TwoApps(),
    WorkerCode(),
    RollBack(),
    Memory(),
    Limits(),
)
