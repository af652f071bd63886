# The runner as a container image, for functions whose packages need system libraries that the managed
# runtimes lack: install them below. In an image there is no AWS_LAMBDA_EXEC_WRAPPER; the program is
# the entry point itself.
#
#   cargo xtask package
#   unzip -p target/package/pyrun-runner-x86_64.zip bootstrap > target/package/pyrun-runner
#   docker build --file infra/runner.Dockerfile --build-arg PYTHON=3.12 target/package
ARG PYTHON=3.12
FROM public.ecr.aws/lambda/python:${PYTHON}

LABEL org.opencontainers.image.title="pyrun-runner" \
      org.opencontainers.image.description="Runs Python functions against bundles of a pyrun stack" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"

COPY --chmod=0755 pyrun-runner /usr/local/bin/pyrun-runner

# The Python of the image; PYRUN_STORE is the function's own variable.
ENV PYRUN_PYTHON=/var/lang/bin/python3

# Lambda chooses a user of its own; elsewhere it is nobody.
USER 65534:65534

# The command line of the base image is of no use here.
ENTRYPOINT ["/usr/local/bin/pyrun-runner"]
CMD []
HEALTHCHECK NONE
