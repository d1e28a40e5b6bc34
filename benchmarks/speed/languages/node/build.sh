# Puts the program and its packages into build/, where nothing is under version control.
set -e
mkdir -p build
cp package.json package-lock.json contender.mjs events.mjs build/
cd build
npm ci --no-audit --no-fund
