#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the nodes of nginx.yaml do.
#
#	nginx.sh serve			nginx with a page of 100 kB
#	nginx.sh get			the page
. ./servers.sh
need 'nginx curl' nginx curl
dir=/dev/shm

serve() {
	mkdir $dir/www
	head -c 100000 /dev/zero | tr '\0' x >$dir/www/page
	cat >$dir/conf <<-END
		daemon off;
		worker_processes 1;
		pid $dir/pid;
		error_log stderr;
		events { worker_connections 200; }
		http {
			client_body_temp_path $dir/body;
			proxy_temp_path $dir/proxy;
			fastcgi_temp_path $dir/fastcgi;
			uwsgi_temp_path $dir/uwsgi;
			scgi_temp_path $dir/scgi;
			access_log off;
			server {
				listen 80;
				listen [::]:80;
				root $dir/www;
			}
		}
	END
	exec nginx -p $dir -c conf -e stderr
}

get() {
	exec curl -sS --fail --max-time 25 --retry 9 --retry-delay 1 --retry-connrefused \
		--output /dev/null --write-out '%{http_code} in %{time_total} s\n' http://web/page
}

"$@"
