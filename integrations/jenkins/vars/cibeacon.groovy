// The step `cibeacon` of a shared library: reports the build to DX.
// cibeacon() at the start of the build, cibeacon(currentBuild.currentResult) in the `post` section at its end.
def call(String status = 'running') {
    withCredentials([string(credentialsId: 'dx-api-token', variable: 'DX_API_TOKEN')]) {
        withEnv(["CIBEACON_STATUS=${status}", "CIBEACON_STARTED_AT=${currentBuild.startTimeInMillis}"]) {
            sh 'pipx run cibeacon report || true'
        }
    }
}
