# A PostgreSQL of its own: `sh postgresql.sh make|run FOLDER PORT`. It refuses to be root's, so it is nobody's then.
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
as=""
[ "$(id -u)" -ne 0 ] || as="setpriv --reuid nobody --regid nogroup --clear-groups"
case $1 in
  make) $as "$bin/initdb" -D "$2/data" -U postgres --auth trust --no-sync -E UTF8 --locale C ;;
  run) exec $as "$bin/postgres" -D "$2/data" -p "$3" -h 127.0.0.1 -k "$2" -F ;;
esac
