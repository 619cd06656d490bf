// as: handoff/operation/execution.cpp
std::this_thread::sleep_for(1s);
