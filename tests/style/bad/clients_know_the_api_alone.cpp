// as: clients/api/daemon.cpp
#include "handoff/plan/plan.hpp"
