"""What cachelib's tests import to start servers, of which none is needed here."""


class ProcessStarter:
    pass
