// as: handoff/operation/engine.cpp
void f() { tree.write("sys/bus/pci/rescan", "1"); }
