// as: clients/devbindctl/main.cpp
#include <CLI/CLI.hpp>
