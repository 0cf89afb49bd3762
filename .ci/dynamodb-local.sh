#!/usr/bin/env bash
# Fetches DynamoDB Local, AWS's own engine, for tests/engine: prints the folder to set PITRKIT_DYNAMODB_LOCAL to.
# The version is pinned; it lies in a cache outside the repository. Needs java (17 or newer) and mvn.
set -euo pipefail
version=2.6.1
folder=${XDG_CACHE_HOME:-$HOME/.cache}/pitrkit/dynamodb-local-$version

if [ ! -e "$folder/.complete" ]; then
  mkdir -p "$folder"
  cat >"$folder/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>pitrkit</groupId>
  <artifactId>engine</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>com.amazonaws</groupId>
      <artifactId>DynamoDBLocal</artifactId>
      <version>$version</version>
    </dependency>
  </dependencies>
</project>
POM
  mvn --batch-mode --quiet --file "$folder/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$folder" >&2
  touch "$folder/.complete"
fi
echo "$folder"
