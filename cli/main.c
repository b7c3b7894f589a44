/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy: the program. All it adds to the table of commands is that an output
 * that could not be written is not a success.
 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

/*
 * Where a standard descriptor is closed, a file that choppy opens would take its number. What
 * stands in its place fails as the closed one would: standard input cannot be read, the others
 * cannot be written.
 */
static void keep_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	}
}

int main(int argc, char **argv)
{
	int status;

	keep_standard_fds();
	status = cmd_main(argc, argv, stdout, stderr);

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
