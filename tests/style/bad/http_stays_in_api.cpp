// as: handoff/operation/engine.cpp
namespace http = beast; auto s = http::status::ok;
