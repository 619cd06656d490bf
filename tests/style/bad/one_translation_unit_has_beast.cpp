// as: api/route.cpp
#include <boost/beast/http.hpp>
