/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * idle: what links cost on which nothing happens. One engine, LINKS links, the ports of which are
 * socket pairs in place of packet sockets.
 *
 *	idle LINKS SECONDS
 *
 * Prints: resident bytes per link, of the engine's process; CPU ns in SECONDS of idleness; and CPU
 *ns for each of PACKETS small frames, one at a time, over a first link that is alone, and over it
 *with the others beside it.
 *
 *	cc -Iinclude -Iengine -Ilib bench/idle.c build/libchoppy.a -lmnl -lnftnl -lpcap -lm
 */
#define _GNU_SOURCE
#include "compile.h"
#include "engine.h"
#include "remote.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKETS 20000
#define FRAME 70 /* with its virtio header */

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "idle: %s: %s\n", what, strerror(errno));
	exit(1);
}

static pid_t start_engine(int *ret_control)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, 9);
		close(pair[0]);
		_exit(engine_main(pair[1]));
	}
	close(pair[1]);
	*ret_control = pair[0];
	return pid;
}

/* What a link without a condition is to do. */
static int empty_plan(uint64_t *ret_size)
{
	static const struct choppy_condition dir[CHOPPY_NDIRS];
	static const struct choppy_rules rules;
	const struct compile_input in = { .dir = dir, .rules = &rules, .replay = "" };
	struct choppy_err err;
	int fd;

	if (compile_plan(&in, &fd, ret_size, &err) < 0)
		die(err.msg);
	return fd;
}

/* The far ends in @far. */
static void add_link(int control, uint32_t index, int far[2])
{
	struct remote engine = { .fd = control };
	struct remote_link link = { .link = index, .verdicts = -1, .seed = 1 };
	struct choppy_err err;

	link.plan = empty_plan(&link.plan_size);
	for (int i = 0; i < 2; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
			die("socketpair");
		far[i] = pair[0];
		link.ports[i] = pair[1];
	}
	if (remote_add(&engine, &link, &err) < 0)
		die(err.msg);
	close(link.plan);
}

static unsigned long long number_in(pid_t pid, const char *file, int column)
{
	unsigned long long v[2] = { 0 };
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%llu %llu", &v[0], &v[1]) != 2)
		die(path);
	fclose(f);
	return v[column];
}

static unsigned long long cpu_ns(pid_t pid)
{
	return number_in(pid, "schedstat", 0);
}

static unsigned long long resident(pid_t pid)
{
	return number_in(pid, "statm", 1) * (unsigned long long)sysconf(_SC_PAGESIZE);
}

static unsigned long long cost_of_a_packet(pid_t pid, const int far[2])
{
	unsigned long long before = cpu_ns(pid);
	unsigned char buf[FRAME] = { 0 };

	memcpy(buf + 22, "\x08\x00\x45", 3);
	for (int i = 0; i < PACKETS; i++)
		if (send(far[0], buf, sizeof(buf), 0) < 0 || recv(far[1], buf, sizeof(buf), 0) < 0)
			die("the link");
	return (cpu_ns(pid) - before) / PACKETS;
}

int main(int argc, char **argv)
{
	unsigned links = argc == 3 ? (unsigned)atoi(argv[1]) : 0;
	unsigned seconds = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
	struct rlimit files = { 8ul * links + 64, 8ul * links + 64 };
	unsigned long long memory, cpu, alone, beside;
	int control, first[2], far[2];
	cpu_set_t here;
	pid_t pid;

	if (!links || !seconds)
		die("arguments");
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		die("setrlimit");
	CPU_ZERO(&here);
	CPU_SET((unsigned)sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here) < 0)
		die("sched_setaffinity");
	pid = start_engine(&control);
	add_link(control, 0, first);
	cost_of_a_packet(pid, first);
	alone = cost_of_a_packet(pid, first);
	memory = resident(pid);
	for (unsigned i = 1; i <= links; i++)
		add_link(control, i, far);
	memory = resident(pid) - memory;
	beside = cost_of_a_packet(pid, first);
	usleep(100000); /* it ends what it was doing */
	cpu = cpu_ns(pid);
	sleep(seconds);
	cpu = cpu_ns(pid) - cpu;
	printf("%llu %llu %llu %llu\n", memory / links, cpu, alone, beside);
	return 0;
}
