#include "tests/sim/violation.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void violation(const char *format, ...)
{
	va_list arguments;

	printf("violation: ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	fflush(stdout);
	_exit(1);
}
