/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper's loop: children that end, signals to pass on, clients of the control
 * socket. The lab ends with its program (`run`), on request, or when a process that
 * it cannot do without is gone; a lost undertaker is replaced. So does an ordinary user's when its
 * state is removed, as the whole of $XDG_RUNTIME_DIR is with the user's last logout: nobody could
 * name it any more.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "err.h"
#include "internal.h"
#include "play.h"
#include "util.h"

#define CLIENTS_MAX 64

enum { POLL_SIGNAL, POLL_CONTROL, POLL_INIT, POLL_RELAY, POLL_STATE, POLL_LEASH, POLL_CLIENTS };

struct keeper {
	struct lab *lab;
	int signals;
	int state; /* an inotify(7) on the lab's directory, or -1 */
	struct varlink clients[CLIENTS_MAX];
	int nclients;
	bool done;
	int status;
	int del_client; /* told by its closing that all is gone */
	struct choppy_err *err;
};

static void end(struct keeper *k, int status)
{
	k->done = true;
	k->status = status;
}

/* The wait status says how a helper died, which it never should. */
static void lost(struct keeper *k, const char *who, int wstatus)
{
	if (WIFSIGNALED(wstatus))
		err_set(k->err, -EPIPE, "%s was killed by signal %d (%s): the lab is ended", who,
			WTERMSIG(wstatus), strsignal(WTERMSIG(wstatus)));
	else
		err_set(k->err, -EPIPE, "%s ended with status %d: the lab is ended", who,
			WEXITSTATUS(wstatus));
	end(k, CHOPPY_EXIT_FAILED);
}

/* Read what init said last. @dead: it cannot be waited for any more. */
static void on_init(struct keeper *k, bool dead)
{
	struct init *init = &k->lab->init;
	int status = init->report < 0
			     ? -1
			     : init_status(init, k->lab->argv ? k->lab->argv[0] : "", k->err);

	close_fd(&init->report);
	if (status >= 0)
		end(k, status);
	else if (dead && k->lab->argv)
		end(k, 128 + SIGKILL); /* nothing else ends it without a word */
}

static void child_ended(struct keeper *k, pid_t pid, int wstatus)
{
	struct lab *lab = k->lab;

	if (pid == lab->init.pid) {
		if (!k->done)
			on_init(k, true);
		if (!k->done)
			lost(k, "the node's init", wstatus);
		init_stop(&lab->init, true);
	} else if (pid == lab->remote.pid) {
		remote_done(&lab->remote, true);
		lost(k, "the engine", wstatus);
	} else if (pid == lab->service.pid) {
		server_stop(&lab->service, true);
		lost(k, "the service process", wstatus);
	} else if (pid == lab->dns.pid) {
		server_stop(&lab->dns, true);
		lost(k, "the DNS process", wstatus);
	} else if (pid == lab->relay.pid) {
		server_stop(&lab->relay, true);
		lost(k, "the relay process", wstatus);
	} else if (net_program_ended(lab, pid, wstatus) ||
		   (lab->net.play && play_child_ended(lab->net.play, pid, wstatus))) {
		return;
	} else if (pid == lab->undertaker) {
		close_fd(&lab->undertaker_fd);
		lab->undertaker =
			undertaker_start(&lab->home, lab->state.name, &lab->undertaker_fd, NULL);
	}
}

static void reap(struct keeper *k)
{
	int wstatus;
	pid_t pid;

	while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0)
		child_ended(k, pid, wstatus);
}

static void on_signal(struct keeper *k)
{
	struct signalfd_siginfo si;

	while (read(k->signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			continue; /* reaped once, below */
		if (!k->lab->argv)
			end(k, 0);
		else if (signal_wants_forwarding((int)si.ssi_signo, si.ssi_code) &&
			 k->lab->init.pid > 0)
			kill(k->lab->init.pid, (int)si.ssi_signo);
	}
	reap(k);
}

static void on_control(struct keeper *k)
{
	int fd = accept4(k->lab->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	/* Whoever came first has had his time: nobody is shut out by connections that are
	 * forgotten. */
	if (k->nclients == CLIENTS_MAX) {
		varlink_close(&k->clients[0]);
		memmove(&k->clients[0], &k->clients[1],
			(size_t)--k->nclients * sizeof(k->clients[0]));
	}
	k->clients[k->nclients++] = (struct varlink){ .fd = fd };
}

static void on_client(struct keeper *k, int i, short events)
{
	struct varlink *v = &k->clients[i];
	int r = control_serve(k->lab, v, events);

	if (r >= 0) {
		if (r == 1) {
			k->del_client = i; /* the kernel closes it with this process */
			end(k, 128 + SIGKILL);
		}
		return;
	}
	varlink_close(v);
	k->clients[i] = k->clients[--k->nclients];
}

static void on_state(struct keeper *k)
{
	char events[4096];

	while (read(k->state, events, sizeof(events)) > 0)
		;
	if (faccessat(k->lab->state.dir, "journal", F_OK, 0) < 0 && errno == ENOENT) {
		err_set(k->err, -ENOENT, "the state of the lab was removed: it is ended");
		end(k, CHOPPY_EXIT_FAILED);
	}
}

static int watch_state(const struct lab *lab)
{
	int fd = lab->home.own ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", lab->state.dir);
	if (fd >= 0 && inotify_add_watch(fd, path, IN_DELETE) < 0)
		close_fd(&fd);
	return fd;
}

/* Until the timeline goes on; NULL: it does not. */
static struct timespec *patience(const struct keeper *k, struct timespec *t)
{
	uint64_t due = k->lab->net.play ? play_due(k->lab->net.play) : PLAY_NEVER;
	uint64_t now = play_now(), ns = due > now ? due - now : 0;

	if (due == PLAY_NEVER)
		return NULL;
	*t = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000),
				.tv_nsec = (long)(ns % 1000000000) };
	return t;
}

static void wait_once(struct keeper *k)
{
	struct pollfd p[POLL_CLIENTS + CLIENTS_MAX] = {
		[POLL_SIGNAL] = { .fd = k->signals, .events = POLLIN },
		[POLL_CONTROL] = { .fd = k->lab->control, .events = POLLIN },
		[POLL_INIT] = { .fd = k->lab->init.report, .events = POLLIN },
		[POLL_RELAY] = { .fd = k->lab->relay.fd, .events = POLLIN },
		[POLL_STATE] = { .fd = k->state, .events = POLLIN },
		[POLL_LEASH] = { .fd = k->lab->leash, .events = POLLIN },
	};
	int n = k->nclients;
	struct timespec t;

	for (int i = 0; i < n; i++)
		p[POLL_CLIENTS + i] = (struct pollfd){
			.fd = k->clients[i].fd,
			.events = control_events(&k->clients[i]),
		};
	if (ppoll(p, (nfds_t)(POLL_CLIENTS + n), patience(k, &t), NULL) < 0)
		return;
	if (k->lab->net.play)
		play_go_on(k->lab->net.play, play_now());
	if (p[POLL_INIT].revents)
		on_init(k, false);
	if (p[POLL_RELAY].revents && !k->done)
		relay_tell(k->lab);
	if (p[POLL_LEASH].revents && !k->done)
		end(k, 0);
	if (p[POLL_STATE].revents && !k->done)
		on_state(k);
	if (p[POLL_SIGNAL].revents && !k->done)
		on_signal(k);
	/* From the last, since answering one moves the last into its place. */
	for (int i = n - 1; i >= 0 && !k->done; i--) {
		if (p[POLL_CLIENTS + i].revents)
			on_client(k, i, p[POLL_CLIENTS + i].revents);
	}
	if (p[POLL_CONTROL].revents && !k->done)
		on_control(k);
}

int keeper_loop(struct lab *lab, struct choppy_err *err)
{
	struct keeper k = { .lab = lab, .err = err, .del_client = -1 };
	sigset_t set;

	signals_forwarded(&set);
	sigaddset(&set, SIGCHLD);
	k.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k.signals < 0) {
		err_sys(err, -errno, "make a signalfd");
		return CHOPPY_EXIT_FAILED;
	}
	if (lab->net.plan && play_start(lab, err) < 0) {
		close(k.signals);
		return CHOPPY_EXIT_FAILED;
	}
	k.state = watch_state(lab);
	reap(&k); /* who ended before the signals could be read */
	while (!k.done)
		wait_once(&k);
	for (int i = 0; i < k.nclients; i++)
		if (i != k.del_client)
			varlink_close(&k.clients[i]);
	close(k.signals);
	close_fd(&k.state);
	return k.status;
}
