"""Everything that can be wrong with a request, as RFC 9457 problems, without HTTP."""
