/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One message: the config as it is, and beside it the descriptors that it names, in the order of
 * its fields. */
#include "server.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "err.h"
#include "fdpass.h"
#include "sandbox.h"
#include "util.h"

struct fields {
	int *fd[FDPASS_MAX];
	int n;
};

static void add(struct fields *f, int *fds, int n)
{
	for (int i = 0; i < n; i++)
		if (fds[i] >= 0)
			f->fd[f->n++] = &fds[i];
}

static_assert(2 * SERVE_MAX_LISTEN + 2 * CHOPPY_MAX_PUBLISH + 9 <= FDPASS_MAX,
	      "all fit into one message");

static struct fields fields_of(struct serve_config *c)
{
	struct fields f = { .n = 0 };

	add(&f, c->dns_udp, c->ndns_udp);
	add(&f, c->dns_tcp, c->ndns_tcp);
	for (int i = 0; i < c->npublish; i++)
		add(&f, &c->publish[i].fd, 1);
	if (!c->has_relay)
		return f;
	add(&f, c->relay.tcp, 2);
	add(&f, c->relay.udp, 2);
	add(&f, c->relay.icmp, 2);
	add(&f, c->relay.raw_udp, 2);
	add(&f, &c->relay.tap, 1);
	return f;
}

static int receive(int fd, struct serve_config *ret)
{
	int fds[FDPASS_MAX], n = 0, r = fdpass_receive_some(fd, ret, sizeof(*ret), fds, &n);
	struct fields f;

	if (r < 0)
		return r;
	f = fields_of(ret);
	if (f.n != n)
		return -EPROTO;
	for (int i = 0; i < n; i++)
		*f.fd[i] = fds[i];
	return 0;
}

static int child(int fd)
{
	struct serve_config config;

	if (receive(fd, &config) < 0)
		return CHOPPY_EXIT_FAILED;
	config.resolv_conf = "/etc/resolv.conf";
	config.stop_fd = fd;
	return serve_main(&config);
}

int server_start(struct server *ret, const char *name, bool relay, struct choppy_err *err)
{
	const struct sandbox box = { .name = name,
				     .syscalls = relay ? relay_syscalls : serve_syscalls,
				     .empty_root = relay,
				     .inet_only = relay };
	int fd;
	pid_t pid = sandbox_fork(&box, child, &fd, err);

	if (pid < 0)
		return pid;
	*ret = (struct server){ .pid = pid, .fd = fd };
	return 0;
}

int server_give(struct server *s, struct serve_config *config, struct choppy_err *err)
{
	struct fields f = fields_of(config);
	int fds[FDPASS_MAX] = { 0 }, r;

	for (int i = 0; i < f.n; i++)
		fds[i] = *f.fd[i];
	r = fdpass_send(s->fd, config, sizeof(*config), fds, f.n, 0);
	for (int i = 0; i < f.n; i++)
		close_fd(f.fd[i]);
	return r < 0 ? err_sys(err, r, "give the service process its sockets") : 0;
}

void server_kill(const struct server *s)
{
	if (s->pid > 0)
		kill(s->pid, SIGKILL);
}

void server_stop(struct server *s, bool reaped)
{
	if (s->pid > 0 && !reaped) {
		server_kill(s);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	s->pid = 0;
	close_fd(&s->fd);
}
