// as: api/http/server.cpp
#include "api/http/timed_stream.hpp"
