# The HTTP client of a name: `sh http.sh requests|httpx|aiohttp|node WHAT SETTINGS`.
client=$1
shift
case $client in
  node) exec node programs/http_node.js "$@" ;;
  *) exec "$PYTHON" "programs/http_$client.py" "$@" ;;
esac
