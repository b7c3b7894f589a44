/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy: the program. All it adds to the table of commands is that an output
 * that could not be written is not a success.
 */
#include "cmd.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

int main(int argc, char **argv)
{
	int status = cmd_main(argc, argv, stdout, stderr);

	/* from here on no program inherits it, and a reader that went away is an error to report */
	signal(SIGPIPE, SIG_IGN);
	errno = 0;
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "choppy: standard output: %s\n", strerror(errno ? errno : EIO));
		if (status == STATUS_OK)
			status = STATUS_FAILED;
	}
	return status;
}
