"""Processes of kisnb for tests, forked from one that has loaded its modules already.

Most of the start of a desk, a simulator or a kernel is the loading of modules. A test run starts
hundreds of them. So each worker of the run has two *fork servers*: ``server.py`` loads the modules
once and forks a process for each request. ``popen.py`` sends these requests: it stands in for
``subprocess.Popen`` where kisnb and Jupyter start such processes.

A forked process runs the same entry as a started one, with the same arguments, environment, working
folder and files. It differs in three things: its parent is the fork server, ``/proc/PID/environ``
is that of the fork server, and modules that it would load later may be loaded already. A test that
looks at one of these asks for the fixture ``started_processes``.
"""
