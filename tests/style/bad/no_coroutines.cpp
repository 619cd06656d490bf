// as: api/http/server.cpp
auto f() { co_await g(); }
