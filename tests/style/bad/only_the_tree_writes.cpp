// as: handoff/plan/plan.cpp
std::ofstream file("/sys/bus/pci/drivers_probe");
