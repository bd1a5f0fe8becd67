/*
 * Shards by interface server, one log each: docs/explanation/shards.md.
 *
 * The scope stands in front of this file: how many shards, servers and messages there are, and what may fail.
 * labs/model/scope.py writes it. A process is slow or frozen whenever others go on without it.
 */
#include "switches.pml"
#include "state.pml"
#include "promises.pml"
#include "scripts.pml"
#include "processes.pml"
