/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * first: how long until a command's program runs, and until the command ends.
 *
 *	first MARK FILE COMMAND...
 *
 * runs COMMAND... MARK FILE, where MARK (bench/mark.c) notes the time of its first
 * instruction in FILE, and prints two numbers, in ns: from before the fork until that
 * instruction, and until the command has been reaped. The exit status is 0 only if
 * the command's was and MARK really ran, after the start and before the end.
 */
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "first: %s: %s\n", what, strerror(errno));
	return 1;
}

/* Run @argv; fills when it was begun and when it was reaped. Returns its wait status, or -1. */
static int timed(char **argv, uint64_t *ret_begin, uint64_t *ret_end)
{
	int status;
	pid_t pid;

	*ret_begin = now_ns();
	pid = vfork(); /* as posix_spawn(3) does: this process's size is no part of the figure */
	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	*ret_end = now_ns();
	return status;
}

static int read_mark(const char *path, uint64_t *ret)
{
	FILE *f = fopen(path, "re");
	int n;

	if (!f)
		return -1;
	n = fscanf(f, "%" SCNu64, ret);
	fclose(f);
	return n == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
	uint64_t begin, end, mark;
	char **command;
	int fd, status;

	if (argc < 4) {
		fprintf(stderr, "usage: first MARK FILE COMMAND...\n");
		return 2;
	}
	fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return fail(argv[2]);
	close(fd);
	command = calloc((size_t)argc, sizeof(*command));
	if (!command)
		return fail("memory");
	memcpy(command, argv + 3, (size_t)(argc - 3) * sizeof(*command));
	command[argc - 3] = argv[1];
	command[argc - 2] = argv[2];
	status = timed(command, &begin, &end);
	free(command);
	if (status < 0)
		return fail(argv[3]);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "first: %s: wait status %#x\n", argv[3], status);
		return 1;
	}
	if (read_mark(argv[2], &mark) || mark < begin || mark > end) {
		fprintf(stderr, "first: %s: the program never ran\n", argv[3]);
		return 1;
	}
	printf("%" PRIu64 " %" PRIu64 "\n", mark - begin, end - begin);
	return 0;
}
