# A MariaDB of its own: `sh mariadb.sh make|run FOLDER PORT`.
set -e
case $1 in
  make) mariadb-install-db --no-defaults --datadir="$2/data" --auth-root-authentication-method=normal --user="$(id -un)" ;;
  run)
    exec mariadbd --no-defaults --datadir="$2/data" --port="$3" --bind-address=127.0.0.1 --socket="$2/socket" \
      --pid-file="$2/pid" --skip-name-resolve --user="$(id -un)" --innodb-flush-log-at-trx-commit=0
    ;;
esac
