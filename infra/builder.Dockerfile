# The builder as a container image, beside infra/runner.Dockerfile: bytecode is compiled by the same
# Python that runs it.
#
#   cargo xtask package
#   unzip -p target/package/pyrun-builder-x86_64.zip bootstrap > target/package/pyrun-builder
#   docker build --file infra/builder.Dockerfile --build-arg PYTHON=3.12 target/package
ARG PYTHON=3.12
FROM public.ecr.aws/lambda/python:${PYTHON}

LABEL org.opencontainers.image.title="pyrun-builder" \
      org.opencontainers.image.description="Builds bundles into the store of a pyrun stack" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"

COPY --chmod=0755 pyrun-builder /usr/local/bin/pyrun-builder

# The Python of the image; PYRUN_STORE is the function's own variable.
ENV PYRUN_PYTHON=/var/lang/bin/python3

# Lambda chooses a user of its own; elsewhere it is nobody.
USER 65534:65534

# The command line of the base image is of no use here.
ENTRYPOINT ["/usr/local/bin/pyrun-builder"]
CMD []
HEALTHCHECK NONE
