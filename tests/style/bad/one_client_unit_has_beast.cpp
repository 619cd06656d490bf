// as: clients/api/daemon.cpp
#include <boost/beast/http.hpp>
