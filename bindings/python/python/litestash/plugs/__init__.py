"""Adapters for frameworks, each in a module of its own, which needs that framework and nothing else:

| module | for |
|---|---|
| `django_cache`, `django_session` | Django's `CACHES` and `SESSION_ENGINE` |
| `cachelib`, `flask_caching` | cachelib (also Flask-Session), Flask-Caching |
| `aiocache` | aiocache |
| `dogpile` | dogpile.cache |
| `key_value` | py-key-value (FastMCP) |
| `langchain` | LangChain's `BaseStore` |
| `litestar` | Litestar's stores |
| `starlette` | sessions of Starlette and FastAPI |
"""
