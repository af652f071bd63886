//! Did you mean: names that are often used, and names of modules that are installed by another.

use strsim::damerau_levenshtein;

/// Modules and old names whose project has another name.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("attr", "attrs"),
    ("bio", "biopython"),
    ("bs4", "beautifulsoup4"),
    ("cairo", "pycairo"),
    ("crypto", "pycryptodome"),
    ("cv2", "opencv-python"),
    ("opencv", "opencv-python"),
    ("dateutil", "python-dateutil"),
    ("discord", "discord-py"),
    ("docx", "python-docx"),
    ("dotenv", "python-dotenv"),
    ("fitz", "pymupdf"),
    ("git", "gitpython"),
    ("github", "pygithub"),
    ("google-cloud", "google-cloud-storage"),
    ("image", "pillow"),
    ("jose", "python-jose"),
    ("jwt", "pyjwt"),
    ("ldap", "python-ldap"),
    ("levenshtein", "python-levenshtein"),
    ("magic", "python-magic"),
    ("mpl-toolkits", "matplotlib"),
    ("multipart", "python-multipart"),
    ("mysqldb", "mysqlclient"),
    ("nacl", "pynacl"),
    ("openssl", "pyopenssl"),
    ("pil", "pillow"),
    ("pkg-resources", "setuptools"),
    ("pptx", "python-pptx"),
    ("psycopg2-bin", "psycopg2-binary"),
    ("pylab", "matplotlib"),
    ("rest-framework", "djangorestframework"),
    ("ruamel", "ruamel-yaml"),
    ("serial", "pyserial"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("slack", "slack-sdk"),
    ("slugify", "python-slugify"),
    ("socketio", "python-socketio"),
    ("telegram", "python-telegram-bot"),
    ("torch-vision", "torchvision"),
    ("umap", "umap-learn"),
    ("usb", "pyusb"),
    ("websocket", "websocket-client"),
    ("wx", "wxpython"),
    ("xlib", "python-xlib"),
    ("yaml", "pyyaml"),
    ("zmq", "pyzmq"),
];

/// Names that people ask for most.
const POPULAR: &str = "absl-py accelerate aiobotocore aiofiles aiohttp aiosignal alembic altair annotated-types \
anthropic anyio apache-airflow appdirs argcomplete arrow asgiref asn1crypto astroid asyncpg attrs authlib \
azure-core azure-identity azure-storage-blob babel backoff bcrypt beautifulsoup4 billiard biopython black \
bleach blinker bokeh boto3 botocore bottle build cachetools catboost celery certifi cffi chardet \
charset-normalizer click cloudpickle colorama coloredlogs contourpy coverage cryptography cvxpy cycler \
cython dash dask databricks-sdk dataclasses-json datasets debugpy decorator defusedxml deprecated dill \
distlib distributed django django-cors-headers djangorestframework dnspython docker docutils duckdb \
elasticsearch email-validator et-xmlfile evaluate execnet executing fabric faiss-cpu faker fastapi \
fastavro fastparquet filelock flake8 flask flask-cors flask-sqlalchemy fonttools frozenlist fsspec gensim \
geopandas geopy gitpython google-api-core google-api-python-client google-auth google-cloud-bigquery \
google-cloud-storage googleapis-common-protos gradio graphene graphviz greenlet grpcio grpcio-tools \
gunicorn h11 h5py holidays html5lib httpcore httplib2 httptools httpx huggingface-hub humanize hydra-core \
hypothesis identify idna imageio importlib-metadata importlib-resources iniconfig invoke ipykernel ipython \
ipywidgets isodate isort itsdangerous jax jaxlib jedi jinja2 jiter jmespath joblib jsonpatch jsonpath-ng \
jsonpickle jsonschema jupyter jupyterlab kafka-python keras keyring kiwisolver kombu kubernetes langchain \
langchain-core librosa lightgbm lightning llvmlite logzero loguru lxml lz4 mako markdown markdown-it-py \
markupsafe marshmallow matplotlib mistune mlflow mock moto more-itertools mpmath msal msgpack multidict \
mypy mypy-extensions mysqlclient nbformat nest-asyncio networkx nltk nodeenv notebook numba numpy oauthlib \
onnx onnxruntime openai opencv-python opencv-python-headless openpyxl opentelemetry-api opentelemetry-sdk \
optuna orjson oscrypto packaging pandas pandera paramiko parso pathspec patsy peewee pendulum pexpect \
pillow pip pipenv platformdirs plotly pluggy poetry polars pre-commit prefect prometheus-client \
prompt-toolkit protobuf psutil psycopg psycopg2 psycopg2-binary ptyprocess py4j pyarrow pyasn1 pybind11 \
pycodestyle pycparser pycryptodome pycryptodomex pydantic pydantic-core pydantic-settings pyflakes \
pygithub pygments pyjwt pylint pymongo pymupdf pymysql pynacl pyodbc pyopenssl pyparsing pypdf pypdf2 \
pyproj pyserial pyspark pytest pytest-asyncio pytest-cov pytest-mock pytest-xdist python-dateutil \
python-docx python-dotenv python-jose python-multipart python-slugify pytorch-lightning pytz pyyaml pyzmq \
rapidfuzz ray redis referencing regex reportlab requests requests-oauthlib requests-toolbelt rich rpds-py \
rsa ruamel-yaml ruff s3fs s3transfer sacrebleu safetensors scikit-image scikit-learn scipy scrapy seaborn \
selenium sentence-transformers sentencepiece sentry-sdk setuptools shap shapely simplejson six slack-sdk \
sniffio snowflake-connector-python snowflake-sqlalchemy sortedcontainers soupsieve spacy sphinx sqlalchemy \
sqlglot sqlmodel sqlparse starlette statsmodels streamlit structlog sympy tabulate tblib tenacity \
tensorboard tensorflow termcolor textblob threadpoolctl tiktoken timm tokenizers toml tomli tomlkit toolz \
torch torchaudio torchmetrics torchvision tornado tox tqdm traitlets transformers trio trl typer typing-extensions \
typing-inspect tzdata tzlocal ujson urllib3 uvicorn uvloop virtualenv wandb watchdog watchfiles \
wcwidth webencodings websocket-client websockets werkzeug wheel wrapt xarray xgboost xlrd xlsxwriter \
xmltodict yarl zipp zstandard";

/// The name that was probably meant by one that no index knows.
pub(super) fn did_you_mean(name: &str) -> Option<&'static str> {
    let other = OTHER_NAMES.iter().find(|(module, _)| *module == name);
    if let Some((_, project)) = other {
        return Some(project);
    }
    let squeezed = squeeze(name);
    let popular = || POPULAR.split_whitespace().filter(|known| *known != name);
    if let Some(known) = popular().find(|known| squeeze(known) == squeezed) {
        return Some(known);
    }
    // One slip for a short name, two for a long one; names of two letters resemble everything.
    let slips = match name.len() {
        0..4 => return None,
        4..7 => 1,
        7..64 => 2,
        _ => return None,
    };
    popular()
        .map(|known| (damerau_levenshtein(name, known), known))
        .filter(|(distance, _)| *distance <= slips)
        .min()
        .map(|(_, known)| known)
}

/// A name without what people leave out or add: `python-`, `py`, separators.
fn squeeze(name: &str) -> String {
    let bare: String = name.chars().filter(|letter| *letter != '-').collect();
    let bare = bare
        .strip_prefix("python")
        .filter(|rest| rest.len() > 2)
        .unwrap_or(&bare);
    bare.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_slips_and_separators_are_seen_through() {
        for (name, meant) in [
            ("sklearn", Some("scikit-learn")),
            ("cv2", Some("opencv-python")),
            ("pil", Some("pillow")),
            ("reqeusts", Some("requests")),
            ("pandsa", Some("pandas")),
            ("scikitlearn", Some("scikit-learn")),
            ("typingextensions", Some("typing-extensions")),
            ("python-requests", Some("requests")),
            ("xyz", None),
            ("my-company-tool", None),
        ] {
            assert_eq!(did_you_mean(name), meant, "{name}");
        }
    }

    #[test]
    fn the_tables_hold_normalised_names() {
        let names = OTHER_NAMES.iter().flat_map(|(one, two)| [*one, *two]);
        for name in names.chain(POPULAR.split_whitespace()) {
            let parsed: pep508_rs::PackageName = name.parse().expect(name);
            assert_eq!(parsed.to_string(), name);
        }
    }
}
