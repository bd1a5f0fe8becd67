"""nginx as it is started by somebody without rights, in a folder of its own."""

import shutil

# What stands in /etc/nginx/nginx.conf of a distribution, or is compiled in: for root alone.
FILES = """
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
"""


def nginx_program() -> str:
    """The path of nginx, which Debian has where only root looks; FileNotFoundError without one."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise FileNotFoundError(
            "nginx was expected on the PATH or in /usr/sbin, and is in neither. scripts/test and "
            "scripts/rehearse install one."
        )
    return found
