// as: api/server.cpp
auto f() { co_await g(); }
