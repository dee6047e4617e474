# The roles of the distributed platform (the default), and with `--target embedded` the whole platform in one process.
FROM node:20.20.2-bookworm-slim AS packages
WORKDIR /purser
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM packages AS build
COPY bin bin
COPY schemas schemas
COPY eventlog eventlog
COPY client client
COPY writer writer
COPY projectors projectors
COPY gateway gateway
COPY platform platform
COPY cli cli
RUN node bin/build.js

FROM node:20.20.2-bookworm-slim AS program
ENV NODE_ENV=production PURSER_HOST=0.0.0.0
WORKDIR /purser
COPY package.json ./
COPY bin bin
COPY --from=build /purser/dist dist
# Volumes that are mounted here for the first time take over who owns these.
RUN mkdir -p /var/lib/purser/snapshots /var/lib/purser/scratch /var/lib/purser/data \
  && chown -R node:node /var/lib/purser
ENV PURSER_SCRATCH=/var/lib/purser/scratch PURSER_DATA=/var/lib/purser/data
USER node
EXPOSE 4000 4001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=6 CMD ["node", "bin/health.js"]
ENTRYPOINT ["node", "bin/purser.js"]
CMD ["--help"]

FROM program AS embedded
COPY --from=packages /purser/node_modules node_modules
VOLUME /var/lib/purser/data
CMD ["start"]

# Roles never start the embedded engine, and what is built needs no compiler: without both, the image is a fraction.
FROM packages AS lean
RUN rm -rf node_modules/chdb node_modules/@chdb node_modules/esbuild node_modules/@esbuild

FROM program AS roles
COPY --from=lean /purser/node_modules node_modules
